//! Disconnecting a user.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{board::Board, connected::user_text};
use crate::{reason::Reason, websocket::close::CloseFrame};

/// A request names a user, and no more.
const MOST_BYTES: usize = 4096;

/// The user that a request names: `{"user": 7}`, or its primary key as text.
///
/// # Errors
///
/// A sentence that says what the request is to be.
pub(super) async fn named_user(headers: &HeaderMap, body: Body) -> Result<String, String> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err("The request's Content-Type is to be application/json.".to_owned());
    }
    let sentence = "The body is to be {\"user\": <primary key>}, as JSON.";
    let body = to_bytes(body, MOST_BYTES).await.map_err(|_| sentence.to_owned())?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| sentence.to_owned())?;
    match &body["user"] {
        Value::String(user) if !user.is_empty() => Ok(user.clone()),
        Value::Number(user) if user.is_i64() => Ok(user.to_string()),
        _ => Err(sentence.to_owned()),
    }
}

/// Closes the sockets of a user, and tells how many.
pub(super) async fn disconnect(board: &Board, user: &str) -> Value {
    let frame = CloseFrame::refusal(Reason::Disconnected);
    let closed =
        board.open.roll.close_where(|entered| (user_text(&entered.connected.user) == user).then(|| frame.clone()));
    tracing::info!(user.id = user, sockets = closed, "a user was disconnected from the admin address");
    json!({ "closed": closed, "servers": 1 })
}
