//! One server: whether it accepts connections, and how busy it is.

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{Address, ConnectError, Stream, UpstreamOptions, client::HttpClient};
use crate::causes::with_causes;

/// One of the interchangeable servers.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    connect_timeout: Duration,
    /// How long it is left alone after it failed. `None`: `health_path` decides, and a connection proves nothing.
    retry: Option<Duration>,
    is_up: AtomicBool,
    /// A task waits for it to come back.
    is_awaited: AtomicBool,
    /// Requests in flight and open sockets.
    busy: AtomicUsize,
    pub(super) client: HttpClient,
}

/// A request in flight, or an open socket: counts for its server while it lives.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Server>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// A server that counts as up until it fails.
    pub(super) fn new(address: Address, options: &UpstreamOptions) -> Arc<Self> {
        Arc::new_cyclic(|server| Self {
            address,
            connect_timeout: options.connect_timeout,
            retry: options.health_path.is_none().then_some(options.health_interval),
            is_up: AtomicBool::new(true),
            is_awaited: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            client: HttpClient::new(server.clone()),
        })
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn lease(self: &Arc<Self>) -> Lease {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }

    /// A new connection. A server that accepts none is passed over from then on.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Stream, ConnectError> {
        let connected = self.try_connect().await;
        match &connected {
            Ok(_) if self.retry.is_some() => self.set_up(),
            Ok(_) => {}
            // Not the server's fault.
            Err(ConnectError::Refused { source, .. }) if is_shortage(source) => {}
            Err(error) => self.set_down(error),
        }
        connected
    }

    async fn try_connect(&self) -> Result<Stream, ConnectError> {
        match timeout(self.connect_timeout, Stream::connect(&self.address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(source)) => Err(ConnectError::Refused { address: self.address.clone(), source }),
            Err(_) => Err(ConnectError::TimedOut { address: self.address.clone() }),
        }
    }

    /// What `health_path` answered.
    pub(super) fn set_health(self: &Arc<Self>, health: &Result<(), io::Error>) {
        match health {
            Ok(()) => self.set_up(),
            Err(error) => self.set_down(error),
        }
    }

    fn set_up(&self) {
        if !self.is_up.swap(true, Ordering::Relaxed) {
            tracing::info!(upstream.address = %self.address, "the upstream server is back");
        }
    }

    fn set_down(self: &Arc<Self>, error: &(dyn std::error::Error + 'static)) {
        if self.is_up.swap(false, Ordering::Relaxed) {
            let error = with_causes(error);
            tracing::warn!(upstream.address = %self.address, error, "the upstream server is passed over until it answers");
        }
        if let Some(pause) = self.retry
            && !self.is_awaited.swap(true, Ordering::Relaxed)
        {
            tokio::spawn(come_back(Arc::downgrade(self), pause));
        }
    }
}

/// Whether it is this process, or this machine, that has no descriptor left.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| shortage.raw_os_error() == code))
}

/// Tries a server that failed until it accepts a connection again, or is no longer in the settings.
async fn come_back(server: Weak<Server>, pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(server) = server.upgrade() else { return };
        if !server.is_up() && server.try_connect().await.is_ok() {
            server.set_up();
        }
        if server.is_up() {
            server.is_awaited.store(false, Ordering::Relaxed);
            // It may have failed again just before.
            if server.is_up() || server.is_awaited.swap(true, Ordering::Relaxed) {
                return;
            }
        }
    }
}
