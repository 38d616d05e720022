//! Every URL on one screen.

use std::{convert::Infallible, sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;

use super::{
    health::{Draining, Health},
    pass::pass_on,
    request::DjangoRequest,
    state::HttpState,
};
use crate::{metrics::Handler, python::unquote};

/// The health endpoints, the views that are ours, and everything else as Django answers it behind us, or would answer it.
///
/// Health comes before host check and redirects. The server puts a [`Peer`](crate::upstream::Peer) into each request's
/// extensions.
pub(crate) fn router(state: HttpState) -> Router {
    let prefix = health_prefix(&state.health_path_prefix);
    Router::new()
        .without_v07_checks()
        .route(&format!("{prefix}/healthz"), get(alive))
        .route(&format!("{prefix}/readyz"), get(ready))
        .fallback(django)
        .with_state(Arc::new(state))
}

async fn alive(State(state): State<Arc<HttpState>>) -> Response {
    counted(&state, Handler::Health, Health::alive())
}

async fn ready(State(state): State<Arc<HttpState>>, request: Request) -> Response {
    let is_draining = request.extensions().get::<Draining>().is_some();
    counted(&state, Handler::Health, state.health.ready(is_draining).await)
}

fn counted(state: &HttpState, handler: Handler, response: Response) -> Response {
    state.metrics.http.answered(handler, response.status());
    response
}

async fn django(State(state): State<Arc<HttpState>>, request: Request) -> Response {
    let path = unquote(request.uri().path());
    let is_view = state.views.find(&path).is_some();
    if let Some(upstream) = &state.upstream
        && !is_view
        && !state.ask_paths.has(&path)
    {
        drop(path);
        return counted(&state, Handler::Upstream, pass_on(upstream, &state.forwarding, request).await);
    }
    let (parts, _unread) = request.into_parts();
    let request = DjangoRequest::new(parts, state.options.secure_proxy_ssl_header.as_ref());
    let answer = state.respond(&request, SystemTime::now()).await;
    let body = match answer.status {
        // Of unknown length, or a Content-Length of 0 would be added, which is not that of the answer spared.
        StatusCode::NOT_MODIFIED => Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()),
        _ => Body::from(answer.body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    counted(&state, if is_view { Handler::Ticket } else { Handler::Page }, response)
}

/// `[health] path_prefix` as a path that the router takes literally, whatever is in it.
fn health_prefix(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/').replace('{', "{{").replace('}', "}}");
    if prefix.is_empty() { prefix } else { format!("/{prefix}") }
}
