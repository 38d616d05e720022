//! The yardstick: an axum program that does only the verify, the query and the SET, then GETDEL, query and upgrade.
//!
//! `bare BIND DATABASE_URL REDIS_URL SECRET READ_BUFFER_BYTES`

use axum::{
    Json, Router,
    extract::{Query, State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use redis::AsyncCommands;
use serde::Deserialize;

#[derive(Clone)]
struct Shared {
    key: std::sync::Arc<jsonwebtoken::DecodingKey>,
    pool: sqlx::PgPool,
    redis: redis::aio::MultiplexedConnection,
    read_buffer: usize,
}

#[derive(Deserialize)]
struct Claims {
    user_id: String,
}

async fn user_exists(shared: &Shared, id: i32) -> bool {
    let row: Option<(i32, String, bool, String)> =
        sqlx::query_as("SELECT id, password, is_active, username FROM auth_user WHERE id = $1 LIMIT 21")
            .bind(id)
            .fetch_optional(&shared.pool)
            .await
            .expect("the database answers");
    row.is_some_and(|row| row.2)
}

async fn ticket(State(mut shared): State<Shared>, headers: HeaderMap) -> Response {
    let Some(token) = headers.get("authorization").and_then(|v| v.to_str().ok()?.strip_prefix("Bearer ")) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    let Ok(data) = jsonwebtoken::decode::<Claims>(token, &shared.key, &validation) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let id: i32 = data.claims.user_id.parse().expect("a number");
    if !user_exists(&shared, id).await {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let ticket = uuid::Uuid::new_v4().to_string();
    let () = shared.redis.set_ex(format!(":1:{ticket}"), id, 600).await.expect("Redis answers");
    Json(serde_json::json!({ "uuid": ticket })).into_response()
}

#[derive(Deserialize)]
struct Parameters {
    uuid: String,
}

async fn socket(
    State(mut shared): State<Shared>,
    Query(parameters): Query<Parameters>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let id: Option<i32> = shared.redis.get_del(format!(":1:{}", parameters.uuid)).await.expect("Redis answers");
    match id {
        Some(id) if user_exists(&shared, id).await => {}
        _ => return StatusCode::FORBIDDEN.into_response(),
    }
    let upgrade = if shared.read_buffer > 0 { upgrade.read_buffer_size(shared.read_buffer) } else { upgrade };
    upgrade.on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bind, database, redis, secret, read_buffer] = arguments.try_into().expect("five arguments");
    let shared = Shared {
        key: std::sync::Arc::new(jsonwebtoken::DecodingKey::from_secret(secret.as_bytes())),
        pool: sqlx::postgres::PgPoolOptions::new().max_connections(10).connect(&database).await.expect("a database"),
        redis: redis::Client::open(redis).expect("a URL").get_multiplexed_async_connection().await.expect("a Redis"),
        read_buffer: read_buffer.parse().expect("a number"),
    };
    let app = Router::new()
        .route("/api/auth/auth_for_ws_connection/", get(ticket))
        .route("/ws/chat/{room}/", get(socket))
        .with_state(shared);
    let listener = tokio::net::TcpListener::bind(bind).await.expect("an address");
    println!("listening on {}", listener.local_addr().expect("bound"));
    axum::serve(listener, app).await.expect("serves");
}
