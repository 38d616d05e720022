//! The page and what it asks for besides the project's own URLs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, Response, StatusCode, header},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::users::{DemoUsers, USERS};
use crate::access_token::{AccessTokenOptions, access_token};

/// Long enough to look around.
const TOKEN_LIFETIME: Duration = Duration::from_hours(8);
/// Everything comes from this server, and no other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Page {
    access_token: AccessTokenOptions,
    users: DemoUsers,
}

/// `/` and `/demo/`.
pub(super) fn router(access_token: AccessTokenOptions, users: DemoUsers) -> Router {
    Router::new()
        .route("/", get(async || answer("text/html; charset=utf-8", include_str!("page.html"))))
        .route("/demo/page.css", get(async || answer("text/css; charset=utf-8", include_str!("page.css"))))
        .route("/demo/page.js", get(async || answer("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/demo/users/", get(async || json_answer(StatusCode::OK, &user_list())))
        .route("/demo/token/{username}/", post(token))
        .with_state(Arc::new(Page { access_token, users }))
}

fn user_list() -> Value {
    USERS.iter().map(|(username, _, note)| json!({ "username": username, "note": note })).collect()
}

/// An access token for a demo user, without a password.
async fn token(State(page): State<Arc<Page>>, Path(username): Path<String>) -> Response<Body> {
    let refused = |status, detail: &str| json_answer(status, &json!({ "detail": detail }));
    let user = match page.users.store.by_username(&username).await {
        Ok(Some(user)) => user,
        Ok(None) => return refused(StatusCode::NOT_FOUND, "There is no such demo user."),
        Err(error) => {
            tracing::error!(%error, "the demo's database does not answer");
            return refused(StatusCode::SERVICE_UNAVAILABLE, "The database does not answer.");
        }
    };
    match access_token(&page.access_token, &user, SystemTime::now(), TOKEN_LIFETIME) {
        Ok(token) => json_answer(StatusCode::OK, &json!({ "access": token })),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = answer("application/json", body.to_string());
    *response.status_mut() = status;
    response
}

fn answer(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
