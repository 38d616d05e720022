//! Which server takes the next request or socket.

use std::{io, sync::Arc};

use tokio::time::timeout;

use super::{Address, Stream, UpstreamOptions};

/// The servers of one Django.
#[derive(Debug)]
pub(crate) struct Upstream {
    options: UpstreamOptions,
}

/// A new connection to one of the servers.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: Stream,
}

/// No server could be connected to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The last one's answer.
    #[error("{address} cannot be connected to")]
    Refused { address: Address, source: io::Error },
    #[error("{address} did not accept a connection in time")]
    TimedOut { address: Address },
}

impl Upstream {
    /// The servers of `options`.
    pub(crate) fn start(options: UpstreamOptions) -> Arc<Self> {
        Arc::new(Self { options })
    }

    /// A connection to the least busy server that accepts one.
    ///
    /// # Errors
    ///
    /// What the last server that was tried said.
    pub(crate) async fn connect(&self) -> Result<Connected, ConnectError> {
        let address = &self.options.servers[0];
        match timeout(self.options.connect_timeout, Stream::connect(address)).await {
            Ok(Ok(stream)) => Ok(Connected { stream }),
            Ok(Err(source)) => Err(ConnectError::Refused { address: address.clone(), source }),
            Err(_) => Err(ConnectError::TimedOut { address: address.clone() }),
        }
    }
}
