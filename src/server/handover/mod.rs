//! How a new process takes over the listening sockets of a running one, so that a deploy refuses no connection.
//!
//! The running process listens on a Unix socket, `[server] handover`. The new one opens everything else first and then
//! connects there. Lines go to and fro; the sockets travel beside the second as `SCM_RIGHTS`:
//!
//! ```text
//! new                                       old
//! sluicegate: hand over, version 1   --->
//!                                    <---   listeners main admin
//! (accepts)
//! serving                            --->
//!                                    <---   draining
//! ```
//!
//! Up to `serving` nothing has changed for the old process: where the new one ends before, it serves on. The listening
//! socket is open all the time, so nobody is refused. Each looks at the other's user id, which the kernel vouches for: a
//! process of another user gets nothing, and nothing is taken from it.

mod give;
mod message;
mod take;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

pub(crate) use give::{Handover, Offer};
pub(crate) use take::{Takeover, take};

/// How long a process that connects may take to say what it wants.
const GREETING: Duration = Duration::from_secs(1);
/// How long a process that has the listening sockets may take until it serves: everything else is open by then.
const LONGEST_TAKEOVER: Duration = Duration::from_secs(5);
/// How long to wait for the other's next word. Longer than the two together, since those that come are heard in turn.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why nothing can be taken over, and a start must not go on as if there were nobody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    #[error("`server.handover` names {}, which is there and no socket", .0.display())]
    NotASocket(PathBuf),
    #[error("`server.handover` names {}, which belongs to another user (id {user}), and is not trusted", .path.display())]
    OtherUser { path: PathBuf, user: u32 },
    #[error("the process that serves{} does not hand over its listening socket: end it first", numbered(*.0))]
    Silent(Option<i32>),
    #[error("the process that serves{} does not hand over its listening socket: {source}", numbered(*.pid))]
    Broken { pid: Option<i32>, source: std::io::Error },
    #[error("{}: {source}", .path.display())]
    Path { path: PathBuf, source: std::io::Error },
}

fn numbered(pid: Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" ({pid})"))
}
