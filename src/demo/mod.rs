//! The demonstration: everything embedded, on the URLs of a real project.

mod hosts;
mod page;
mod route;
mod users;

use std::{path::Path, sync::Arc};

use crate::{
    access_token::{AccessTokenOptions, Verifier},
    admission::Gates,
    app::HttpSite,
    cache::throttle::InProcessThrottleStore,
    channel_layer::{self, ChannelLayerOptions, LayerBackend},
    http::{HttpOptions, HttpParts, HttpState, Middleware, router},
    metrics::Metrics,
    server::{LimitOptions, ServerOptions, Site},
    settings::stock_ticket_view,
    ticket::InProcessTicketStore,
    websocket::{RefuseBy, WebSocketOptions, WebSocketParts, WebSocketSite},
};

/// The server's options, and what answers on it.
///
/// # Errors
///
/// The database cannot be made in `data_dir`.
pub(crate) async fn build(
    bind: &str,
    data_dir: Option<&Path>,
) -> Result<(ServerOptions, HttpSite), Box<dyn std::error::Error + Send + Sync>> {
    let users = users::create(data_dir).await?;
    let tickets = Arc::new(InProcessTicketStore::default());
    let access_token = AccessTokenOptions { signing_key: users::signing_key(), ..AccessTokenOptions::default() };
    let limits = LimitOptions::default();
    // A browser sees the code of a close, but not the status of a refused handshake: so the page can tell why.
    let websocket = WebSocketOptions { refuse: RefuseBy::Close, ..WebSocketOptions::default() };
    let in_process = ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() };
    let layer = channel_layer::open(&in_process)?;
    let gates = Arc::new(Gates::new(&limits.admission));
    let metrics = Arc::<Metrics>::default();
    let parts = WebSocketParts {
        needs: crate::ticket::Needs::default(),
        options: websocket,
        limits: limits.clone(),
        tickets: tickets.clone(),
        users: users.store.clone(),
        upstream: None,
        forwarding: Arc::default(),
        layer: Some(Arc::clone(&layer)),
        gates: Arc::clone(&gates),
        asks: Arc::default(),
        metrics: Arc::clone(&metrics),
    };
    let websocket = WebSocketSite::build(parts, &[route::chat()]).map_err(|problems| problems.join("\n"))?;
    let options = HttpOptions {
        allowed_hosts: vec!["*".to_owned()],
        append_slash: true,
        middleware: vec![Middleware::Security, Middleware::Common, Middleware::XFrameOptions],
        x_frame_options: "DENY".to_owned(),
        views: vec![stock_ticket_view("api/auth/auth_for_ws_connection/", &access_token)],
        ..HttpOptions::default()
    };
    let http = HttpState::new(HttpParts {
        needs: crate::ticket::Needs::default(),
        ask_paths: crate::consumer::ask::OwnPaths::default(),
        gate: Arc::clone(&gates.tickets),
        upstream: None,
        forwarding: Arc::default(),
        options,
        verifier: Arc::new(Verifier::new(access_token.clone())?),
        users: users.store.clone(),
        tickets,
        throttles: Arc::new(InProcessThrottleStore::default()),
        health_path_prefix: String::new(),
        metrics,
        layer: Some(Arc::clone(&layer)),
    })?;
    let health = http.health();
    let http = page::router(access_token, users).fallback_service(router(http));
    let http = hosts::only_this_machine(http, bind);
    let server = ServerOptions { bind: bind.to_owned(), limits, ..ServerOptions::default() };
    Ok((server, Site { http, websocket: Arc::new(websocket), health, layer: Some(layer) }))
}
