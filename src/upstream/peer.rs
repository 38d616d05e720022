//! Where a request came from, and where to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The two ends of the client's connection: put into each request's extensions by the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Who connected: the client, or the proxy before us.
    pub(crate) remote: IpAddr,
    /// Where it reached us: stands in for a missing `Host`.
    pub(crate) local: SocketAddr,
}

/// Who made a request, where trusted proxies stand between: put into each request's extensions by the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl Peer {
    /// An IPv4 address that arrives in IPv6 form is written as what it is.
    pub(crate) fn new(remote: IpAddr, local: SocketAddr) -> Self {
        Self { remote: remote.to_canonical(), local: SocketAddr::new(local.ip().to_canonical(), local.port()) }
    }
}

impl Default for Peer {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { remote: nowhere, local: SocketAddr::new(nowhere, 0) }
    }
}
