//! Requests that Django answers, behind us; and what is said where it does not.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;

use crate::{
    admission::RetryAfter,
    causes::with_causes,
    reason::Reason,
    trace::Trace,
    upstream::{Forwarding, PassError, Upstream},
};

/// Passes `request` on, and its answer back, both as they come.
pub(super) async fn pass_on(upstream: &Upstream, forwarding: &Forwarding, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.map_err(Into::into).boxed_unsync();
    match upstream.pass(&head, body, forwarding).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => refusal(&error, head.extensions.get::<Trace>().copied()),
    }
}

/// `{"detail": <sentence>, "code": <reason>}`, as refused handshakes are answered.
fn refusal(error: &PassError, trace: Option<Trace>) -> Response {
    let of_reason = |status, reason: Reason| (status, reason.code(), reason.detail().to_owned());
    let (status, code, detail) = match error {
        PassError::Ambiguous(ambiguous) => (StatusCode::BAD_REQUEST, "bad_request", ambiguous.to_string()),
        PassError::UploadBroken => (StatusCode::BAD_REQUEST, "bad_request", "The request's body broke off.".to_owned()),
        PassError::UploadTooSlow => {
            (StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request's body did not come in time.".to_owned())
        }
        PassError::Unavailable(_) => of_reason(StatusCode::SERVICE_UNAVAILABLE, Reason::UnavailableUpstream),
        PassError::Failed(_) => of_reason(StatusCode::BAD_GATEWAY, Reason::UpstreamFailed),
        PassError::TimedOut => of_reason(StatusCode::GATEWAY_TIMEOUT, Reason::UpstreamTimeout),
    };
    let trace_id = trace.map(tracing::field::display);
    if status.is_server_error() {
        tracing::warn!(reason = code, error = with_causes(error), trace_id, "a request was not passed on");
    } else {
        tracing::info!(reason = code, error = with_causes(error), trace_id, "a request was not passed on");
    }
    let mut response = Response::new(Body::from(json!({ "detail": detail, "code": code }).to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status.is_client_error() {
        // Where one request ends and the next one begins is not certain.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RetryAfter::usual().into());
    }
    response
}
