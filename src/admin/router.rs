//! Every URL of the admin address on one screen.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::json;
use tokio::time::Instant;

use super::{
    answer::{answer, bad_request, denied, harden, json_answer, not_found, unknown_host},
    board::Board,
    connected::{FURTHEST, connected},
    disconnect::{disconnect, named_user},
    groups::groups,
    overview::overview,
    query::Query,
    refusals::{reasons, refusals},
    server::Peer,
};
use crate::{http::Health, metrics::Format};

/// Of a listing, unless the request says otherwise; and at most.
const LISTED: (u64, u64) = (50, 500);

/// Health comes before the check of hosts, as on the main address: probes ask by any name.
pub(super) fn router(board: Arc<Board>) -> Router {
    let read = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/access", get(access))
        .route("/", get(async |State(board): State<Arc<Board>>| board.page.response()))
        .route("/api/v1/overview", get(async |State(board): State<Arc<Board>>| json_answer(&overview(&board))))
        .route("/api/v1/rates", get(rates))
        .route("/api/v1/connected", get(list_connected))
        .route("/api/v1/disconnect", post(disconnect_user))
        .route("/api/v1/groups", get(list_groups))
        .route("/api/v1/refusals", get(list_refusals))
        .route("/api/v1/reasons", get(async || json_answer(&reasons())))
        .fallback(async || not_found())
        .layer(middleware::from_fn_with_state(Arc::clone(&board), known_hosts));
    Router::new()
        .route("/healthz", get(async || Health::alive()))
        .route("/readyz", get(ready))
        .merge(read)
        .layer(middleware::map_response(async |response| harden(response)))
        .with_state(board)
}

/// Lets in requests whose `Host` nobody else can point here.
async fn known_hosts(State(board): State<Arc<Board>>, request: Request, next: Next) -> Response {
    if board.access().knows_host(request.headers()) { next.run(request).await } else { unknown_host() }
}

async fn ready(State(board): State<Arc<Board>>) -> Response {
    let is_draining = board.open.is_draining() && !board.open.is_succeeded();
    board.site().health.ready(is_draining).await
}

/// In the format that the scraper prefers.
async fn metrics(State(board): State<Arc<Board>>, headers: HeaderMap) -> Response {
    let format = Format::of(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()));
    answer(StatusCode::OK, format.content_type(), board.open.metrics.encode(format))
}

/// Whether the request's token may change something.
async fn access(State(board): State<Arc<Board>>, headers: HeaderMap, request: Request) -> Response {
    refuse_change(&board, &headers, &request).unwrap_or_else(|| json_answer(&json!({ "read_only": false })))
}

/// What a request is answered that may change nothing.
fn refuse_change(board: &Board, headers: &HeaderMap, request: &Request) -> Option<Response> {
    let Some(Peer(peer)) = request.extensions().get().copied() else { return Some(not_found()) };
    board.access().may_change(headers, peer, Instant::now()).err().map(denied)
}

async fn rates(State(board): State<Arc<Board>>, uri: Uri) -> Response {
    match Query::new(uri.query()).number("after", 0, u64::MAX) {
        Ok(after) => json_answer(&board.samples.after(after)),
        Err(problem) => bad_request(&problem),
    }
}

/// Who is connected, in pages.
async fn list_connected(State(board): State<Arc<Board>>, uri: Uri) -> Response {
    let query = Query::new(uri.query());
    let number =
        |name, default, most| query.number(name, default, most).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    match (number("offset", 0, FURTHEST as u64), number("limit", LISTED.0, LISTED.1)) {
        (Ok(offset), Ok(limit)) => json_answer(&connected(&board, query.text("user"), offset, limit)),
        (Err(problem), _) | (_, Err(problem)) => bad_request(&problem),
    }
}

/// The token comes first: nobody without it has a body read.
async fn disconnect_user(State(board): State<Arc<Board>>, headers: HeaderMap, request: Request) -> Response {
    if let Some(refused) = refuse_change(&board, &headers, &request) {
        return refused;
    }
    match named_user(&headers, request.into_body()).await {
        Ok(user) => json_answer(&disconnect(&board, &user).await),
        Err(problem) => bad_request(&problem),
    }
}

async fn list_groups(State(board): State<Arc<Board>>, uri: Uri) -> Response {
    match Query::new(uri.query()).number("limit", LISTED.0, LISTED.1) {
        Ok(most) => json_answer(&groups(&board, usize::try_from(most).unwrap_or(usize::MAX))),
        Err(problem) => bad_request(&problem),
    }
}

async fn list_refusals(State(board): State<Arc<Board>>, uri: Uri) -> Response {
    match Query::new(uri.query()).number("after", 0, u64::MAX) {
        Ok(after) => json_answer(&refusals(&board, after)),
        Err(problem) => bad_request(&problem),
    }
}
