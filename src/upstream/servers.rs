//! Which server takes the next request or socket.

use std::{
    cmp::Reverse,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    Address, Stream, UpstreamOptions,
    health::watch_health,
    server::{Lease, Server},
};
use crate::metrics::UpstreamServer;

/// The servers of one Django.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(super) options: UpstreamOptions,
    pub(super) servers: Vec<Arc<Server>>,
    /// Which one is first among those that are equally busy.
    turn: AtomicUsize,
}

/// A new connection to one of the servers.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    /// To be kept for as long as the connection: the server counts as busy with it.
    pub(crate) lease: Lease,
}

/// No server could be connected to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The last one's answer.
    #[error("{address} cannot be connected to")]
    Refused { address: Address, source: io::Error },
    #[error("{address} did not accept a connection in time")]
    TimedOut { address: Address },
    #[error("there is no server")]
    NoServer,
}

impl Upstream {
    /// The servers of `options`. Within a runtime, where `health_path` is set: a task asks for it until this is dropped.
    pub(crate) fn start(options: UpstreamOptions) -> Arc<Self> {
        let servers = options.servers.iter().map(|address| Server::new(address.clone(), &options)).collect();
        let upstream = Arc::new(Self { options, servers, turn: AtomicUsize::new(0) });
        watch_health(&upstream);
        upstream
    }

    /// Tells how the servers are; `None` once nobody uses them.
    pub(crate) fn watch(self: &Arc<Self>) -> impl Fn() -> Option<Vec<UpstreamServer>> + Send + Sync + 'static {
        let upstream = Arc::downgrade(self);
        move || {
            let upstream = upstream.upgrade()?;
            let state = |server: &Arc<Server>| UpstreamServer {
                address: server.address.to_string(),
                is_up: server.is_up(),
                busy: server.busy(),
            };
            Some(upstream.servers.iter().map(state).collect())
        }
    }

    /// How long the head of an answer may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// A connection to the least busy server that accepts one.
    ///
    /// # Errors
    ///
    /// What the last server that was tried said.
    pub(crate) async fn connect(&self) -> Result<Connected, ConnectError> {
        let mut last = ConnectError::NoServer;
        for server in self.in_order() {
            let lease = server.lease();
            match server.connect().await {
                Ok(stream) => return Ok(Connected { stream, lease }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Whether a server would take a request: one accepts a connection, and `health_path`, where set, answers there.
    pub(crate) async fn is_reachable(&self) -> bool {
        self.connect().await.is_ok() && self.servers.iter().any(|server| server.is_up())
    }

    /// The servers in the order in which to try them: the least busy first, and those that failed last. These are tried
    /// too, or a server that is just back would not be found before the next look at its health.
    pub(super) fn in_order(&self) -> Vec<&Arc<Server>> {
        let count = self.servers.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1);
        let (before, from) = self.servers.split_at(turn.min(count));
        let mut servers: Vec<_> = from.iter().chain(before).collect();
        servers.sort_by_cached_key(|server| (Reverse(server.is_up()), server.busy()));
        servers
    }
}
