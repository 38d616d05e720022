//! A connection of one's own, for commands that wait.

use redis::{Cmd, FromRedisValue};

use super::{error::RedisError, link::Link};

/// A connection that is not shared. A command on it waits as long as the connection lives: one that is given up may have
/// been carried out, and its answer is lost.
pub(crate) struct Dedicated {
    link: Link,
}

impl Dedicated {
    pub(super) const fn new(link: Link) -> Self {
        Self { link }
    }

    /// Where it leads, for messages.
    pub(crate) fn address(&self) -> &str {
        &self.link.address
    }

    /// Sends `command`, once, and waits for its answer. `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`RedisError`]: the connection has ended, or Redis refused the command.
    pub(crate) async fn send<T: FromRedisValue>(&self, command: &Cmd, name: &'static str) -> Result<T, RedisError> {
        let answer = self.link.send(command, name).await;
        answer.map_err(|cause| RedisError { address: std::sync::Arc::clone(&self.link.address), cause })
    }
}
