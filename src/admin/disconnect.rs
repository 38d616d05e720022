//! Disconnecting a user.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::board::Board;
use crate::{
    causes::with_causes,
    commands::{ANSWER_TIME, Disconnected, Order, Who, disconnect_everywhere, disconnect_here},
};

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

/// Closes the sockets of a user, on every sluicegate of the channel layer or on this one alone, and tells how many.
pub(super) async fn disconnect(board: &Board, user: &str) -> Value {
    let order = Order::new(Who::Key(user.to_owned()));
    if let Some(layer) = board.commands.layer() {
        match disconnect_everywhere(layer.as_ref(), order.clone(), ANSWER_TIME).await {
            Ok(done) => {
                let Disconnected { sockets, servers } = done;
                tracing::info!(user.id = user, sockets, servers, "a user was disconnected from the admin address");
                return json!({ "closed": sockets, "servers": servers });
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::error!(error, "other sluicegates were not told to disconnect a user, only this one");
            }
        }
    }
    let closed = disconnect_here(&board.open, &order);
    tracing::info!(user.id = user, sockets = closed, "a user was disconnected from the admin address");
    json!({ "closed": closed, "servers": 1 })
}
