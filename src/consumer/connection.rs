//! One client's connection, as its consumer sees it.

use std::{fmt, sync::Arc};

use crate::{python::Value, user::UserId};

/// Where a consumer's messages go: an open socket, or a test.
pub(crate) trait Outlet: Send + Sync {
    /// Queues a text message. Dropped if the socket is closing.
    fn send_text(&self, text: &str);
    /// Queues a binary message. Dropped if the socket is closing.
    fn send_bytes(&self, bytes: &[u8]);
    /// Closes after what is queued. The first close counts.
    fn close(&self, close: Close);
}

/// A connection's code and reason for closing. `Close::new(4001, "why")` is `await self.close(4001, "why")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    code: u16,
    reason: String,
}

impl Close {
    /// The longest reason, in bytes of UTF-8: what a control frame holds besides the code.
    const MAX_REASON: usize = 123;

    /// `None` for a code that must not be sent (1005, 1006, 1015, below 1000, 1016 to 2999, 5000 and more) or a reason
    /// of more than 123 bytes. uvicorn closes the TCP connection without a frame where a consumer asks for such.
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Option<Self> {
        let reason = reason.into();
        let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) && reason.len() <= Self::MAX_REASON;
        is_valid.then_some(Self { code, reason })
    }

    pub(crate) const fn code(&self) -> u16 {
        self.code
    }

    pub(crate) fn into_reason(self) -> String {
        self.reason
    }
}

/// Everything that a consumer knows of its client: plain data, small, and all of it there from the start, so that a
/// connection can be written down and taken up by another process.
#[derive(Clone)]
pub(crate) struct ConnectionState {
    /// Which of the routes.
    pub(crate) route: usize,
    /// What the route's groups captured, in the order of its names.
    pub(crate) captures: Box<[Option<Value>]>,
    pub(crate) user: UserId,
    pub(crate) username: Option<Box<str>>,
    /// The query without the ticket, where the route's templates read it.
    pub(crate) query: Option<Box<Value>>,
    /// The handshake's headers, where the route's templates read them.
    pub(crate) headers: Option<Box<Value>>,
}

/// One client's connection.
pub(crate) struct Connection {
    pub(crate) state: ConnectionState,
    outlet: Arc<dyn Outlet>,
}

impl Connection {
    pub(crate) fn new(state: ConnectionState, outlet: Arc<dyn Outlet>) -> Self {
        Self { state, outlet }
    }

    /// `await self.send(text_data=...)`.
    pub(crate) fn send_text(&self, text: &str) {
        self.outlet.send_text(text);
    }

    /// `await self.send(bytes_data=...)`.
    #[cfg_attr(not(test), expect(dead_code, reason = "a declared consumer sends text only so far"))]
    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        self.outlet.send_bytes(bytes);
    }

    /// The socket, for those who send to it from elsewhere.
    pub(crate) fn outlet(&self) -> &Arc<dyn Outlet> {
        &self.outlet
    }

    /// `await self.close(code, reason)`.
    #[cfg_attr(not(test), expect(dead_code, reason = "no consumer closes on its own account so far"))]
    pub(crate) fn close(&self, close: Close) {
        self.outlet.close(close);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("route", &self.state.route)
            .field("user", &self.state.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_that_may_be_sent_can_be_made() {
        assert!(Close::new(1000, "").is_some() && Close::new(4001, "x".repeat(123)).is_some());
        for code in [0, 999, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(Close::new(code, ""), None, "{code}");
        }
        assert_eq!(Close::new(4000, "é".repeat(62)), None);
    }
}
