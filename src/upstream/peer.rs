//! Where a request came from, where to, and whether under TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The two ends of the client's connection: put into each request's extensions by the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Who connected: the client, or the proxy before us.
    pub(crate) remote: IpAddr,
    /// Where it reached us: stands in for a missing `Host`.
    pub(crate) local: SocketAddr,
    /// Whether TLS ends here.
    pub(crate) is_tls: bool,
}

/// Who made a request, where trusted proxies stand between: put into each request's extensions by the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl Peer {
    /// The connection's own scheme, as `scope["scheme"]` of ASGI without its `s`.
    pub(super) const fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// An IPv4 address that arrives in IPv6 form is written as what it is.
    pub(crate) fn new(remote: IpAddr, local: SocketAddr, is_tls: bool) -> Self {
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        Self { remote: remote.to_canonical(), local, is_tls }
    }
}

impl Default for Peer {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { remote: nowhere, local: SocketAddr::new(nowhere, 0), is_tls: false }
    }
}
