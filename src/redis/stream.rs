//! The bytes' way to one server: TCP, TLS or a unix socket.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{RedisAddress, tls};

/// After so long without traffic the kernel asks whether the peer is there, so that an idle connection which a
/// firewall forgot is noticed before a ticket depends on it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One server's address, with what TLS needs.
#[derive(Clone)]
pub(super) enum Endpoint {
    Tcp { host: String, port: u16, tls: Option<Arc<ClientConfig>> },
    Unix(PathBuf),
}

impl Endpoint {
    /// # Errors
    ///
    /// A file of the TLS options that cannot be read.
    pub(super) fn new(address: &RedisAddress) -> io::Result<Self> {
        Ok(match address {
            RedisAddress::Tcp { host, port, tls } => {
                Self::Tcp { host: host.clone(), port: *port, tls: tls.as_ref().map(tls::client_config).transpose()? }
            }
            RedisAddress::Unix(path) => Self::Unix(path.clone()),
        })
    }

    /// `host:port` or the path, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(path) => path.display().to_string(),
        }
    }

    pub(super) async fn open(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                let Some(config) = tls else {
                    return Ok(Box::new(stream));
                };
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?))
            }
        }
    }
}
