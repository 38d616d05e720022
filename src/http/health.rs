//! `/healthz` and `/readyz`.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{ticket::TicketStore, user::UserStore};

/// How long a part may take to answer before it counts as unavailable.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer serves: probes cannot load the cache and the database, however many there are.
const SERVES_FOR: Duration = Duration::from_secs(1);

/// Asks the parts that a ticket and a handshake need.
pub(crate) struct Health {
    users: Arc<dyn UserStore>,
    tickets: Arc<dyn TicketStore>,
    /// Held while the parts are asked, so that they are asked once.
    last: Mutex<Option<(Instant, Readiness)>>,
}

/// What answered.
#[derive(Clone, Copy)]
struct Readiness {
    cache: bool,
    database: bool,
}

impl Health {
    /// Asks these two.
    pub(crate) fn new(users: Arc<dyn UserStore>, tickets: Arc<dyn TicketStore>) -> Self {
        Self { users, tickets, last: Mutex::new(None) }
    }

    /// `/healthz`: the process lives.
    pub(super) fn alive() -> Response {
        answer(StatusCode::OK, &json!({ "status": "ok" }))
    }

    /// `/readyz`: 200, or 503 with the state of each part.
    pub(super) async fn ready(&self) -> Response {
        let Readiness { cache, database } = self.readiness().await;
        if cache && database {
            return answer(StatusCode::OK, &json!({ "status": "ok" }));
        }
        let state = |ok: bool| if ok { "ok" } else { "unavailable" };
        let body = json!({ "status": "unavailable", "cache": state(cache), "database": state(database) });
        answer(StatusCode::SERVICE_UNAVAILABLE, &body)
    }

    async fn readiness(&self) -> Readiness {
        let mut last = self.last.lock().await;
        if let Some((at, readiness)) = *last
            && at.elapsed() < SERVES_FOR
        {
            return readiness;
        }
        let (cache, database) =
            tokio::join!(timeout(PROBE_TIMEOUT, self.tickets.ping()), timeout(PROBE_TIMEOUT, self.users.ping()));
        let readiness = Readiness { cache: matches!(cache, Ok(Ok(()))), database: matches!(database, Ok(Ok(()))) };
        *last = Some((Instant::now(), readiness));
        readiness
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
