//! `/healthz` and `/readyz`.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use futures_util::future::OptionFuture;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{channel_layer::ChannelLayer, ticket::TicketStore, upstream::Upstream, user::UserStore};

/// How long a part may take to answer before it counts as unavailable.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer serves: probes cannot load the cache and the database, however many there are.
const SERVES_FOR: Duration = Duration::from_secs(1);

/// Put into a request's extensions by the server that is about to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draining;

/// Asks the parts that a ticket and a handshake need.
pub(crate) struct Health {
    users: Arc<dyn UserStore>,
    tickets: Arc<dyn TicketStore>,
    upstream: Option<Arc<Upstream>>,
    /// Where a route uses it.
    layer: Option<Arc<dyn ChannelLayer>>,
    /// Held while the parts are asked, so that they are asked once.
    last: Mutex<Option<(Instant, Readiness)>>,
}

/// What answered.
#[derive(Clone, Copy)]
struct Readiness {
    cache: bool,
    database: bool,
    /// Whether a message went around, where there is a channel layer: nothing less says that messages arrive.
    channel_layer: Option<bool>,
    /// Django behind us, where there is one. Told, but not counted: sockets are held while it starts again.
    upstream: Option<bool>,
}

impl Health {
    /// Asks these.
    pub(crate) fn new(
        users: Arc<dyn UserStore>,
        tickets: Arc<dyn TicketStore>,
        upstream: Option<Arc<Upstream>>,
        layer: Option<Arc<dyn ChannelLayer>>,
    ) -> Self {
        Self { users, tickets, upstream, layer, last: Mutex::new(None) }
    }

    /// `/healthz`: the process lives.
    pub(crate) fn alive() -> Response {
        answer(StatusCode::OK, &json!({ "status": "ok" }))
    }

    /// `/readyz`: 200, or 503 with the state of each part, or because the server is about to end.
    pub(crate) async fn ready(&self, is_draining: bool) -> Response {
        if is_draining {
            return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "draining" }));
        }
        let Readiness { cache, database, channel_layer, upstream } = self.readiness().await;
        let state = |ok: bool| if ok { "ok" } else { "unavailable" };
        let is_ready = cache && database && channel_layer != Some(false);
        let mut body = json!({ "status": state(is_ready) });
        if !is_ready {
            body["cache"] = state(cache).into();
            body["database"] = state(database).into();
            if let Some(channel_layer) = channel_layer {
                body["channel_layer"] = state(channel_layer).into();
            }
        }
        if let Some(upstream) = upstream {
            body["upstream"] = state(upstream).into();
        }
        answer(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
    }

    async fn readiness(&self) -> Readiness {
        let mut last = self.last.lock().await;
        if let Some((at, readiness)) = *last
            && at.elapsed() < SERVES_FOR
        {
            return readiness;
        }
        let (cache, database, channel_layer, upstream) = tokio::join!(
            timeout(PROBE_TIMEOUT, self.tickets.ping()),
            timeout(PROBE_TIMEOUT, self.users.ping()),
            OptionFuture::from(self.layer.as_ref().map(|layer| timeout(PROBE_TIMEOUT, layer.round_trip()))),
            OptionFuture::from(self.upstream.as_ref().map(|upstream| timeout(PROBE_TIMEOUT, upstream.is_reachable()))),
        );
        let readiness = Readiness {
            cache: matches!(cache, Ok(Ok(()))),
            database: matches!(database, Ok(Ok(()))),
            channel_layer: channel_layer.map(|went_around| matches!(went_around, Ok(Ok(())))),
            upstream: upstream.map(|reachable| matches!(reachable, Ok(true))),
        };
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
