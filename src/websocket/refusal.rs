//! The HTTP answer of a refused handshake.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::{admission::RetryAfter, reason::Reason, upstream::Ambiguous};

/// A handshake that is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// What exactly is wrong with the handshake's form.
    form: Option<Form>,
    /// When to try again, where the fault is ours or passes by itself; [`RetryAfter::usual`] where not stated.
    retry_after: Option<RetryAfter>,
}

/// What is wrong with a handshake's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Method,
    HttpVersion,
    Body,
    Key,
    Version,
    Origin,
    /// It cannot be passed on.
    Ambiguous(Ambiguous),
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, form: None, retry_after: None }
    }
}

impl From<Form> for Refusal {
    fn from(form: Form) -> Self {
        Self { reason: Reason::BadHandshake, form: Some(form), retry_after: None }
    }
}

impl Refusal {
    /// The same, with the time to try again.
    pub(crate) fn retry_after(self, retry_after: RetryAfter) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// `{"detail": <sentence>, "code": <reason>}`; the connection is closed after it, as under uvicorn.
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let detail = self.form.map_or_else(|| self.reason.detail().to_owned(), Form::detail);
        let body = serde_json::json!({ "detail": detail, "code": self.reason.code() }).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.form.map_or(status(self.reason), Form::status);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if may_retry(self.reason) {
            let retry_after = self.retry_after.unwrap_or_else(RetryAfter::usual);
            headers.insert(header::RETRY_AFTER, retry_after.into());
        }
        for (name, value) in self.form.map_or_else(Vec::new, Form::headers) {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Form {
    fn detail(self) -> String {
        let detail = match self {
            Self::Method => "A WebSocket handshake is a GET request.",
            Self::HttpVersion => "A WebSocket handshake needs HTTP/1.1.",
            Self::Body => "A WebSocket handshake has no body.",
            Self::Key => "Sec-WebSocket-Key is missing, or not 16 bytes in base64.",
            Self::Version => "Sec-WebSocket-Version must be 13.",
            Self::Origin => "There is more than one Origin header.",
            Self::Ambiguous(ambiguous) => return ambiguous.to_string(),
        };
        detail.to_owned()
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HttpVersion | Self::Body | Self::Key | Self::Origin | Self::Ambiguous(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn headers(self) -> Vec<(HeaderName, &'static str)> {
        match self {
            Self::Method => vec![(header::ALLOW, "GET")],
            Self::Version => vec![
                (header::CONNECTION, "Upgrade, close"),
                (header::UPGRADE, "websocket"),
                (header::SEC_WEBSOCKET_VERSION, "13"),
            ],
            Self::HttpVersion | Self::Body | Self::Key | Self::Origin | Self::Ambiguous(_) => Vec::new(),
        }
    }
}

const fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::TicketMissing
        | Reason::TicketMalformed
        | Reason::TicketInvalid
        | Reason::UserNotFound
        | Reason::UserInactive
        | Reason::OriginRefused
        | Reason::ConsumerRefused
        | Reason::AskRefused
        | Reason::UpstreamRefused
        | Reason::TokenExpired
        | Reason::TokenRevoked
        | Reason::PasswordChanged
        | Reason::Disconnected => StatusCode::FORBIDDEN,
        Reason::NoRoute => StatusCode::NOT_FOUND,
        Reason::BadHandshake | Reason::GroupInvalid => StatusCode::BAD_REQUEST,
        Reason::ConsumerFailed => StatusCode::INTERNAL_SERVER_ERROR,
        Reason::LimitUser | Reason::LimitAddress => StatusCode::TOO_MANY_REQUESTS,
        Reason::UpstreamFailed => StatusCode::BAD_GATEWAY,
        Reason::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        Reason::LimitConnections
        | Reason::LimitRoute
        | Reason::Overloaded
        | Reason::UnavailableCache
        | Reason::UnavailableDatabase
        | Reason::UnavailableLayer
        | Reason::UnavailableUpstream
        | Reason::AskFailed
        | Reason::Draining => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn may_retry(reason: Reason) -> bool {
    matches!(status(reason), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_status_and_closes_the_connection() {
        for reason in Reason::ALL {
            let response = Refusal::from(reason).response();
            let expected = match reason.code() {
                code if code.starts_with("ticket_") || code.starts_with("user_") => 403,
                "token_expired" | "token_revoked" | "password_changed" | "disconnected" | "origin_refused"
                | "upstream_refused" | "consumer_refused" | "ask_refused" => 403,
                "consumer_failed" => 500,
                "upstream_failed" => 502,
                "upstream_timeout" => 504,
                "no_route" => 404,
                "bad_handshake" | "group_invalid" => 400,
                "limit_user" | "limit_address" => 429,
                _ => 503,
            };
            assert_eq!(response.status(), expected, "{reason}");
            assert_eq!(response.headers()[header::CONNECTION], "close");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), matches!(expected, 429 | 503), "{reason}");
        }
    }

    #[test]
    fn a_wrong_version_is_told_which_one_is_right() {
        let response = Refusal::from(Form::Version).response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_VERSION], "13");
    }
}
