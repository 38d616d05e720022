//! The sockets that a process listens on: bound by itself, or open already before it came.

use std::{io, net, net::SocketAddr, os::fd::OwnedFd};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait in the kernel until they are accepted.
const BACKLOG: u32 = 4096;

/// Listening sockets that were open before this process: the service manager's, or those of the process before.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// For clients.
    pub(crate) main: Option<net::TcpListener>,
    /// For those who run the server.
    pub(crate) admin: Option<net::TcpListener>,
    /// The service manager keeps them when this process has ended, for the next one.
    pub(crate) are_kept: bool,
}

/// A socket that this process listens on.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(super) listener: TcpListener,
    address: SocketAddr,
    /// Others have it too: who waits to be accepted when this process ends does not wait in vain.
    pub(super) is_kept: bool,
}

impl Listening {
    /// The first that there is: of the service manager's `kept`; of the process before, `taken`, if it is where `bind`
    /// says; one at the first of the addresses of `bind` that can be had.
    ///
    /// # Errors
    ///
    /// The address cannot be resolved or bound.
    pub(crate) async fn open(
        bind: &str,
        kept: Option<net::TcpListener>,
        taken: Option<(net::TcpListener, bool)>,
    ) -> io::Result<Self> {
        if let Some(listener) = kept {
            let listening = Self::adopt(listener, true)?;
            tracing::info!(address = %listening.address, "the service manager's socket is listened on");
            return Ok(listening);
        }
        let addresses: Vec<SocketAddr> = lookup_host(bind).await?.collect();
        if let Some((listener, is_kept)) = taken {
            let address = listener.local_addr()?;
            if addresses.iter().any(|wanted| is_at(address, *wanted)) {
                return Self::adopt(listener, is_kept);
            }
            tracing::warn!(%address, "the process before listens there, and the settings say {bind}: this is bound anew");
        }
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the address has no IP address");
        for address in addresses {
            match bind_to(address) {
                Ok(listener) => return Ok(Self { address: listener.local_addr()?, listener, is_kept: false }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn adopt(listener: net::TcpListener, is_kept: bool) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { address: listener.local_addr()?, listener, is_kept })
    }

    /// Where it is, with the real port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Once more the same socket, for another process. It is closed when all of them are.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        use std::os::fd::AsFd;
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Whether others have it who accept what is not accepted here.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    pub(crate) fn into_listener(self) -> TcpListener {
        self.listener
    }
}

/// A listener on TCP, or why this is none.
pub(crate) fn checked(listener: net::TcpListener) -> io::Result<net::TcpListener> {
    // Fails for an address that is none of IP.
    listener.local_addr()?;
    #[cfg(not(target_vendor = "apple"))]
    if !rustix::net::sockopt::socket_acceptconn(&listener)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"));
    }
    Ok(listener)
}

/// Whether a socket that listens on `address` is what `wanted` asks for: port 0 is content with any.
fn is_at(address: SocketAddr, wanted: SocketAddr) -> bool {
    address.ip() == wanted.ip() && (wanted.port() == 0 || address.port() == wanted.port())
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> net::TcpListener {
        net::TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[tokio::test]
    async fn a_socket_of_the_process_before_is_taken_where_the_settings_name_its_address() {
        let (old, other) = (listener(), listener());
        let address = old.local_addr().unwrap();
        for bind in [address.to_string(), "127.0.0.1:0".to_owned(), format!("localhost:{}", address.port())] {
            let taken = old.try_clone().unwrap();
            let listening = Listening::open(&bind, None, Some((taken, false))).await.unwrap();
            assert_eq!(listening.address(), address, "{bind}");
        }
        let moved = Listening::open("127.0.0.1:0", None, None).await.unwrap();
        let bind = moved.address().to_string();
        drop(moved);
        let listening = Listening::open(&bind, None, Some((old, false))).await.unwrap();
        assert_eq!(listening.address().to_string(), bind, "an address that was changed is bound");
        let kept = other.local_addr().unwrap();
        let listening = Listening::open(&bind, Some(other), None).await.unwrap();
        assert_eq!((listening.address(), listening.is_kept()), (kept, true), "the service manager's comes first");
    }

    #[test]
    fn only_what_listens_is_listened_on() {
        use std::os::{fd::OwnedFd, unix::net::UnixListener};
        let listener = listener();
        let connected = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(checked(listener).is_ok());
        assert!(checked(OwnedFd::from(connected).into()).is_err());
        let folder = crate::test_support::Folder::new(crate::test_support::Account::Own);
        let unix = UnixListener::bind(folder.path().join("s")).unwrap();
        assert!(checked(OwnedFd::from(unix).into()).is_err());
    }
}
