//! Finding a receiver whose connection died in silence: by a message to oneself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use redis::Pipeline;
use tokio::{sync::Notify, time::timeout};

use super::Shared;
use crate::channel_layer::{ChannelLayerError, Message, Sink, names::non_local_name, serializer::To, value::Value};

/// Looks after one host. Never ends.
pub(super) async fn run(shared: Arc<Shared>, index: usize) {
    let host = &shared.hosts[index];
    loop {
        tokio::time::sleep(shared.watch_interval).await;
        if !host.is_up.load(Ordering::Acquire) {
            continue;
        }
        match shared.probe_arrives(index).await {
            Ok(true) => {}
            // Redis answered on the other connection, and so has given the message to the receiver's.
            Ok(false) => host.is_dead.notify_waiters(),
            // The receiver finds out by itself, or the next probe does.
            Err(error) => tracing::debug!(%error, "the channel layer was not asked"),
        }
    }
}

#[derive(Default)]
struct Arrival {
    has_come: AtomicBool,
    came: Notify,
}

impl Sink for Arrival {
    fn deliver(&self, _: &Arc<Message>) {
        self.has_come.store(true, Ordering::Release);
        self.came.notify_one();
    }
}

impl Shared {
    /// A message to this process, over one host.
    ///
    /// # Errors
    ///
    /// It did not come, or was not sent.
    pub(super) async fn probe(&self, index: usize) -> Result<(), ChannelLayerError> {
        if self.probe_arrives(index).await? {
            return Ok(());
        }
        self.hosts[index].is_dead.notify_waiters();
        Err(ChannelLayerError::unavailable("a message to this process did not come"))
    }

    async fn probe_arrives(&self, index: usize) -> Result<bool, ChannelLayerError> {
        let host = &self.hosts[index];
        let arrival = Arc::new(Arrival::default());
        let channel = self.inbox.open_probe(arrival.clone());
        let name = channel.name();
        let key = format!("{}{}", self.prefix, non_local_name(&name));
        let body = self.serializer.body(&Value::map([("type", "sluicegate.probe".into())]))?;
        let now = self.clock.next(SystemTime::now());
        let member = self.serializer.serialize(&body, To::Channel(&name), now.seconds())?;
        let mut pipeline = Pipeline::new();
        for queue in &self.queues {
            pipeline.cmd("ZCOUNT").arg(queue).arg("-inf").arg("+inf");
        }
        pipeline.cmd("ZADD").arg(&key).arg(now.to_string()).arg(member).ignore();
        pipeline.cmd("EXPIRE").arg(&key).arg(self.expiry).ignore();
        let queued: Vec<u64> = host.redis.send_all(&pipeline, "ZADD").await?;
        host.queued.store(queued.iter().sum(), Ordering::Relaxed);
        let came = timeout(self.timeout, arrival.came.notified()).await;
        Ok(came.is_ok() || arrival.has_come.load(Ordering::Acquire))
    }
}
