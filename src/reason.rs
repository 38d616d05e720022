//! Why a handshake was refused or a socket closed: one list for answer, log and metric.

use std::fmt;

/// Why sluicegate refused a handshake, or closed an admitted socket.
///
/// Its [`code`](Self::code) is in the answer's body, in the log and in the metrics, and is never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No `uuid` in the query string, or an empty one.
    TicketMissing,
    /// `uuid` is not a UUID as Python prints one (lower case, hyphens).
    TicketMalformed,
    /// Never issued, used before, or expired. One code for the three, so that it tells an attacker nothing.
    TicketInvalid,
    /// The ticket was good, but its user is gone.
    UserNotFound,
    /// The ticket's user has `is_active = False`.
    UserInactive,
    /// The `Origin` header is not one that the project's origin validator lets in.
    OriginRefused,
    /// No route has this path.
    NoRoute,
    /// Not a WebSocket handshake as RFC 6455 wants it.
    BadHandshake,
    /// The user has as many sockets as `[limits] connections_per_user` allows.
    LimitUser,
    /// The address has as many sockets as `[limits] connections_per_address` allows.
    LimitAddress,
    /// The process has as many sockets as it can hold.
    LimitConnections,
    /// The route has as many sockets as its `connections` allows.
    LimitRoute,
    /// More handshakes or tickets are asked for than are let in, and those that wait have waited too long or are too many.
    Overloaded,
    /// The cache did not answer in time.
    UnavailableCache,
    /// The database did not answer in time.
    UnavailableDatabase,
    /// The channel layer did not answer in time.
    UnavailableLayer,
    /// The consumer did not accept the handshake.
    ConsumerRefused,
    /// The consumer failed.
    ConsumerFailed,
    /// The path makes a group name that Channels refuses.
    GroupInvalid,
    /// The asked view did not let the socket in.
    AskRefused,
    /// The asked view did not answer in time, or not as it should.
    AskFailed,
    /// No server of `[upstream]` accepts a connection.
    UnavailableUpstream,
    /// Django did not accept the handshake: its own status reaches the client.
    UpstreamRefused,
    /// Django's answer was none, or broke off.
    UpstreamFailed,
    /// Django did not answer in time.
    UpstreamTimeout,
    /// The process is shutting down.
    Draining,
    /// An open socket's token has expired, and `[websocket] expire_with_token` is on.
    TokenExpired,
    /// An open socket's token is on SimpleJWT's blacklist.
    TokenRevoked,
    /// The password of an open socket's user has changed, and `CHECK_REVOKE_TOKEN` is on.
    PasswordChanged,
    /// An operator or the project's own code ended the sockets of this user.
    Disconnected,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 30] = [
        Self::TicketMissing,
        Self::TicketMalformed,
        Self::TicketInvalid,
        Self::UserNotFound,
        Self::UserInactive,
        Self::OriginRefused,
        Self::NoRoute,
        Self::BadHandshake,
        Self::LimitUser,
        Self::LimitAddress,
        Self::LimitConnections,
        Self::LimitRoute,
        Self::Overloaded,
        Self::UnavailableCache,
        Self::UnavailableDatabase,
        Self::UnavailableLayer,
        Self::ConsumerRefused,
        Self::ConsumerFailed,
        Self::GroupInvalid,
        Self::AskRefused,
        Self::AskFailed,
        Self::UnavailableUpstream,
        Self::UpstreamRefused,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::Draining,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::PasswordChanged,
        Self::Disconnected,
    ];

    /// The stable name, as in `{"detail": ..., "code": "ticket_invalid"}`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TicketMissing => "ticket_missing",
            Self::TicketMalformed => "ticket_malformed",
            Self::TicketInvalid => "ticket_invalid",
            Self::UserNotFound => "user_not_found",
            Self::UserInactive => "user_inactive",
            Self::OriginRefused => "origin_refused",
            Self::NoRoute => "no_route",
            Self::BadHandshake => "bad_handshake",
            Self::LimitUser => "limit_user",
            Self::LimitAddress => "limit_address",
            Self::LimitConnections => "limit_connections",
            Self::LimitRoute => "limit_route",
            Self::Overloaded => "overloaded",
            Self::UnavailableCache => "unavailable_cache",
            Self::UnavailableDatabase => "unavailable_database",
            Self::UnavailableLayer => "unavailable_layer",
            Self::ConsumerRefused => "consumer_refused",
            Self::ConsumerFailed => "consumer_failed",
            Self::GroupInvalid => "group_invalid",
            Self::AskRefused => "ask_refused",
            Self::AskFailed => "ask_failed",
            Self::UnavailableUpstream => "unavailable_upstream",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Draining => "draining",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::PasswordChanged => "password_changed",
            Self::Disconnected => "disconnected",
        }
    }

    /// The sentence for a person to whom a handshake is refused, as in `{"detail": "The ticket is unknown, used or expired."}`.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::TicketMissing => "The query string has no uuid: ask for a ticket and send it as ?uuid=.",
            Self::TicketMalformed => "The ticket is not a UUID in lower case with hyphens.",
            Self::TicketInvalid => "The ticket is unknown, used or expired.",
            Self::UserNotFound => "The ticket's user does not exist.",
            Self::UserInactive => "The ticket's user is inactive.",
            Self::OriginRefused => "Sockets are not accepted from this origin.",
            Self::NoRoute => "There is no WebSocket at this path.",
            Self::BadHandshake => "This is not a WebSocket handshake.",
            Self::LimitUser => {
                "This user has too many open sockets, and the ticket is used up: ask for a new one once another is closed."
            }
            Self::LimitAddress => "This address has too many open sockets.",
            Self::LimitConnections => "The server has too many open sockets.",
            Self::LimitRoute => "There are too many open sockets at this path.",
            Self::Overloaded => "The server has more to do than it can. Try again later, with the same ticket.",
            Self::UnavailableCache => "The cache does not answer. Try again later.",
            Self::UnavailableDatabase => {
                "The database does not answer, and the ticket is used up. Try again later, with a new ticket."
            }
            Self::UnavailableLayer => "The channel layer does not answer. Try again later.",
            Self::ConsumerRefused => "The consumer does not accept this WebSocket.",
            Self::ConsumerFailed => "The consumer failed.",
            Self::GroupInvalid => "A name in the path has characters or a length that a group cannot have.",
            Self::AskRefused => "The application does not let this user in here.",
            Self::AskFailed => {
                "The application did not say whether to let this user in. Try again later, with a new ticket."
            }
            Self::UnavailableUpstream => "The application server cannot be reached. Try again later.",
            Self::UpstreamRefused => "The application does not accept this WebSocket.",
            Self::UpstreamFailed => "The application server's answer cannot be read.",
            Self::UpstreamTimeout => "The application server does not answer. Try again later.",
            Self::Draining => "The server is shutting down. Try again later.",
            Self::TokenExpired => "The access token has expired: ask for a ticket with a new one.",
            Self::TokenRevoked => "The token has been revoked: log in again.",
            Self::PasswordChanged => "The password has been changed: log in again.",
            Self::Disconnected => "The server has ended this connection.",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
