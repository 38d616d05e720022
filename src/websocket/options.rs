//! `[websocket]`.

use std::time::Duration;

pub(crate) use super::deflate::DeflateOptions;

/// What shapes a handshake and an open socket.
#[derive(Clone, Debug)]
pub(crate) struct WebSocketOptions {
    /// Who may connect, by `Origin`: as the project's ASGI application checks it.
    pub(crate) origins: OriginPolicy,
    /// `check_user_is_active`: refuse an inactive user at the handshake too. Default: true.
    pub(crate) check_user_is_active: bool,
    /// `expire_with_token`: an open socket ends when the token that its ticket was issued for expires. Default: false.
    pub(crate) expire_with_token: bool,
    /// `user_check_interval`: how often the users of all open sockets are looked up again. Default: 30 s; `None`: never.
    pub(crate) user_check_interval: Option<Duration>,
    /// `refuse`: how a refusal is told. Default: by status.
    pub(crate) refuse: RefuseBy,
    /// `subprotocols`: those we speak, in order of preference. Default: none.
    pub(crate) subprotocols: Vec<String>,
    /// `max_message_size`, in bytes. Default: 16 MiB, as under uvicorn.
    pub(crate) max_message_size: usize,
    /// `compression`: permessage-deflate for clients that offer it. Default: off, as under Daphne.
    pub(crate) compression: Option<DeflateOptions>,
    /// `ping_interval`. Default: 20 s, as uvicorn and Daphne; zero: never.
    pub(crate) ping_interval: Duration,
    /// `ping_timeout`: how long a pong may take. Default: 20 s.
    pub(crate) ping_timeout: Duration,
    /// How long a peer may take to answer a close. Default: 10 s.
    pub(crate) close_timeout: Duration,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            origins: OriginPolicy::NotChecked,
            check_user_is_active: true,
            expire_with_token: false,
            user_check_interval: Some(Duration::from_secs(30)),
            refuse: RefuseBy::Status,
            subprotocols: Vec::new(),
            max_message_size: 16 * 1024 * 1024,
            compression: None,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(10),
        }
    }
}

/// Channels' origin validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginPolicy {
    /// No validator stands before the consumers.
    NotChecked,
    /// `OriginValidator(app, [...])`, and `AllowedHostsOriginValidator` with `ALLOWED_HOSTS` filled in.
    Allowed(Vec<String>),
}

/// `[websocket] refuse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RefuseBy {
    /// `"status"`: the handshake is answered with an HTTP status.
    #[default]
    Status,
    /// `"close"`: the handshake is accepted, then closed with a 4xxx code that a browser can see.
    Close,
}
