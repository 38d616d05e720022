//! `[upstream]`, and what a `[[route]]` says about its proxy.

use std::time::Duration;

use super::Address;

/// The servers of one Django, interchangeable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamOptions {
    /// `url`: one address or several; never empty.
    pub(crate) servers: Vec<Address>,
    /// `connect_timeout`: how long one server may take to accept a connection. Default: 3 s.
    pub(crate) connect_timeout: Duration,
    /// `timeout`: how long the head of an answer may take, a handshake's too. Default: 60 s, as nginx.
    pub(crate) timeout: Duration,
    /// `health_path`: asked with GET at each `health_interval`; a server that does not answer with 2xx or 3xx is passed
    /// over. Default: none, so that only a server that failed is tried, by connecting.
    pub(crate) health_path: Option<String>,
    /// `Host` of these requests. Default: the server's own; filled in from `ALLOWED_HOSTS`, or Django would refuse them.
    pub(crate) health_host: Option<String>,
    /// `health_interval`. Default: 5 s with a `health_path`, else 1 s.
    pub(crate) health_interval: Duration,
}

impl UpstreamOptions {
    /// `health_interval` with a `health_path`.
    pub(crate) const ASKING: Duration = Duration::from_secs(5);

    /// The defaults, for these servers.
    pub(crate) const fn new(servers: Vec<Address>) -> Self {
        Self {
            servers,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_mins(1),
            health_path: None,
            health_host: None,
            health_interval: Duration::from_secs(1),
        }
    }
}

/// A WebSocket route whose consumer is Django's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyOptions {
    /// `proxy`: a server of its own, with the other options of `[upstream]`; `None`: `[upstream]` itself.
    pub(crate) upstream: Option<UpstreamOptions>,
    pub(crate) auth: RouteAuth,
    pub(crate) hold: Option<HoldOptions>,
}

/// `auth`: who checks the ticket of a proxied route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteAuth {
    /// `"ticket"`: the ticket is redeemed here, and a fresh one for the same user goes to Django, whose
    /// `JwtAuthMiddleware` redeems it.
    Ticket,
    /// `"none"`: the handshake goes to Django untouched.
    Untouched,
}

/// `hold`: what becomes of a client's socket while the server behind it is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldOptions {
    /// `hold`: for how long, before it is closed with 1012.
    pub(crate) time: Duration,
    /// `hold_buffer`, in bytes: frames of the client that are kept meanwhile; past it the client is not read, so that
    /// its own buffers fill. Default: 64 KiB.
    pub(crate) buffer: usize,
}

impl HoldOptions {
    /// `hold_buffer`'s default.
    pub(crate) const DEFAULT_BUFFER: usize = 64 * 1024;
}
