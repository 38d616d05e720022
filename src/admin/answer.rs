//! What the admin address answers, with the headers that all its answers have.

use std::time::SystemTime;

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::Denied;

/// Of every answer: nothing is kept by a browser, framed or read by another site.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];
/// Of every answer but the page: nothing in it is ever run.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds what every answer has.
pub(super) fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    response
}

/// A time as RFC 3339 has it, in UTC.
pub(super) fn timestamp(time: SystemTime) -> String {
    // A clock beyond the year 9999.
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX).to_string()
}

pub(super) fn json_answer(body: &Value) -> Response {
    answer(StatusCode::OK, "application/json", body.to_string())
}

/// `{"detail": <sentence>, "code": <stable name>}`, as refusals have it.
pub(super) fn refusal(status: StatusCode, code: &str, detail: &str) -> Response {
    answer(status, "application/json", json!({ "detail": detail, "code": code }).to_string())
}

pub(super) fn bad_request(detail: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, "bad_request", detail)
}

pub(super) fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path of the admin address.")
}

pub(super) fn unknown_host() -> Response {
    let detail = "The admin address answers to IP addresses, to localhost and to the names of `[admin] allowed_hosts`, \
                  so that no foreign page can ask it. Add the host's name there.";
    refusal(StatusCode::BAD_REQUEST, "unknown_host", detail)
}

pub(super) fn denied(denied: Denied) -> Response {
    match denied {
        Denied::ReadOnly => {
            let detail = "Nothing can be changed here: `[admin] token` is not set.";
            refusal(StatusCode::FORBIDDEN, "read_only", detail)
        }
        Denied::NoToken => {
            let detail = "This needs `Authorization: Bearer <token>` with the token of `[admin] token`.";
            challenge(refusal(StatusCode::UNAUTHORIZED, "no_token", detail))
        }
        Denied::WrongToken => {
            challenge(refusal(StatusCode::UNAUTHORIZED, "wrong_token", "The token is not that of `[admin] token`."))
        }
        Denied::TooOften(wait) => {
            let detail = "There were too many wrong tokens from this address. Try again in a minute.";
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_tokens", detail);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            response
        }
    }
}

fn challenge(mut response: Response) -> Response {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
