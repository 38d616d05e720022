//! Close frames: their codes, and the code of each refusal.

use http::StatusCode;

use crate::{consumer::Close, reason::Reason};

/// A close frame's content. The code is one that may be sent ([`is_valid_code`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseFrame {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl CloseFrame {
    /// `Protocol Error`.
    pub(crate) const PROTOCOL_ERROR: u16 = 1002;
    /// `Service Restart`: what uvicorn sends when it stops.
    pub(crate) const SERVICE_RESTART: u16 = 1012;
    /// `Try Again Later`: the peer reads more slowly than messages come.
    pub(crate) const TRY_AGAIN_LATER: u16 = 1013;
    /// `Internal Error`.
    pub(crate) const INTERNAL_ERROR: u16 = 1011;
    /// What a consumer is told when the peer vanished or sent no code. Never sent.
    pub(crate) const NO_STATUS: u16 = 1005;

    /// The frame that ends a connection for a violation or a time-out. `reason` is cut to what a control frame holds.
    pub(crate) fn new(code: u16, reason: &str) -> Self {
        let mut end = reason.len().min(super::codec::MAX_CONTROL_PAYLOAD - 2);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self { code, reason: reason[..end].to_owned() }
    }

    /// The frame that tells the client to connect again: the server behind its socket stops.
    pub(crate) const fn restart() -> Self {
        Self { code: Self::SERVICE_RESTART, reason: String::new() }
    }

    /// How a refused handshake is closed where `[websocket] refuse = "close"`: the reason's code is the close reason.
    pub(crate) fn refusal(reason: Reason) -> Self {
        Self::new(refusal_code(reason), reason.code())
    }

    /// The same where Django refused with `status`.
    pub(crate) fn upstream_refused(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            404 => 4404,
            429 => 4429,
            500.. => 4503,
            _ => refusal_code(Reason::UpstreamRefused),
        };
        Self::new(code, Reason::UpstreamRefused.code())
    }
}

impl From<Close> for CloseFrame {
    fn from(close: Close) -> Self {
        Self { code: close.code(), reason: close.into_reason() }
    }
}

/// Whether a close frame may carry `code`. Matches websockets, frames.py, `Close.check` with `EXTERNAL_CLOSE_CODES`.
pub(crate) const fn is_valid_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The 4xxx code that a browser sees.
const fn refusal_code(reason: Reason) -> u16 {
    match reason {
        Reason::BadHandshake | Reason::GroupInvalid => 4400,
        Reason::TicketMissing
        | Reason::TicketMalformed
        | Reason::TicketInvalid
        | Reason::TokenExpired
        | Reason::TokenRevoked
        | Reason::PasswordChanged => 4401,
        Reason::UserNotFound
        | Reason::UserInactive
        | Reason::OriginRefused
        | Reason::ConsumerRefused
        | Reason::AskRefused
        | Reason::UpstreamRefused
        | Reason::Disconnected => 4403,
        Reason::NoRoute => 4404,
        Reason::LimitUser | Reason::LimitAddress | Reason::LimitRoute => 4429,
        Reason::LimitConnections
        | Reason::Overloaded
        | Reason::UnavailableCache
        | Reason::UnavailableDatabase
        | Reason::UnavailableLayer
        | Reason::ConsumerFailed
        | Reason::AskFailed
        | Reason::UnavailableUpstream
        | Reason::UpstreamFailed
        | Reason::UpstreamTimeout
        | Reason::Draining => 4503,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_code_that_a_browser_may_be_told() {
        for reason in Reason::ALL {
            let frame = CloseFrame::refusal(reason);
            assert!(is_valid_code(frame.code) && (4000..5000).contains(&frame.code), "{reason}");
            assert_eq!(frame.reason, reason.code());
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = CloseFrame::new(1011, &"é".repeat(100));
        assert_eq!(frame.reason, "é".repeat(61));
    }

    #[test]
    fn codes_that_must_not_be_sent_are_not_valid() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert!(!is_valid_code(code), "{code}");
        }
    }
}
