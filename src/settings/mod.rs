//! Layers -> one typed, checked [`Settings`].
//!
//! Built-in defaults (Django's, SimpleJWT's, Channels'), then what Django's side says, then `sluicegate.toml`, then the
//! environment, then flags: the later wins. Every value keeps its origin; every problem is reported at once.

mod admin;
mod cache;
mod cache_redis;
mod cancellation;
mod channel_layer;
mod channel_layer_hosts;
mod database;
mod database_url;
mod django;
mod environment;
mod http;
mod issue;
mod key;
mod kind;
mod layer;
mod mask;
mod origin;
mod problem;
mod redis_server;
mod redis_url;
mod render;
pub(crate) mod report;
mod route_ask;
mod route_declared;
mod route_proxy;
mod route_table;
mod routes;
mod server;
mod simple_jwt;
mod sockets;
mod sources;
mod starter;
#[cfg(test)]
mod tests;
mod ticket_view;
mod tls;
mod toml_file;
mod upstream;
mod user;
mod user_fields;
mod user_names;
mod values;
mod websocket;

use crate::{
    access_token::AccessTokenOptions,
    admin::AdminOptions,
    cache::CacheOptions,
    channel_layer::ChannelLayerOptions,
    consumer::{AskSettings, RouteOptions},
    database::DatabaseOptions,
    http::HttpOptions,
    server::ServerOptions,
    upstream::UpstreamOptions,
    user::UserOptions,
    websocket::WebSocketOptions,
};

pub(crate) use self::{
    cancellation::Cancellation,
    django::{SCRIPT, exchange_tickets},
    problem::{Problem, Problems, printable},
    render::render,
    report::Report,
    sources::{DjangoTarget, Sources},
    starter::starter,
    ticket_view::stock as stock_ticket_view,
};

/// Everything that sluicegate runs with, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) server: ServerOptions,
    /// The address for those who run the server.
    pub(crate) admin: Option<AdminOptions>,
    pub(crate) access_token: AccessTokenOptions,
    /// `None`: no ticket is issued or redeemed here, all of that is Django's, behind us.
    pub(crate) admission: Option<Admission>,
    /// `views` is empty where the ticket view is not served.
    pub(crate) http: HttpOptions,
    pub(crate) websocket: WebSocketOptions,
    /// Django's channel layer, where one is known that can be used. Opened where a route needs it.
    pub(crate) channel_layer: Option<ChannelLayerOptions>,
    /// `[channel_layer] commands`: `sluicegate.disconnect` is heard.
    pub(crate) commands: bool,
    /// `[ask]`.
    pub(crate) ask: AskSettings,
    /// Django behind us: what is not served here goes there.
    pub(crate) upstream: Option<UpstreamOptions>,
    /// Tried in order; with an upstream, a path that fits none goes there untouched.
    pub(crate) routes: Vec<RouteOptions>,
}

/// What tickets are issued and redeemed with.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    pub(crate) user: UserOptions,
    pub(crate) database: DatabaseOptions,
    pub(crate) cache: CacheOptions,
}

impl Settings {
    /// Reads every layer and checks the whole. Runs the project's Python where [`Sources::django`] says so, for up to
    /// 60 s: call it off the runtime's threads.
    ///
    /// # Errors
    ///
    /// Every problem that stops the start, with its place and the lines that mend it.
    pub(crate) fn load(sources: &Sources) -> Result<Loaded, Problems> {
        let Report { settings, problems, ticket_view, notes, .. } = Report::read(sources);
        match settings {
            Some(settings) if problems.is_empty() => Ok(Loaded { settings, ticket_view, notes }),
            _ => Err(problems),
        }
    }
}

/// Settings that are good to start with.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) ticket_view: TicketViewState,
    /// Sentences for the log at start: what is ignored, and what a reader might not expect.
    pub(crate) notes: Vec<String>,
}

/// Whether the ticket view is served here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TicketViewState {
    Served,
    /// `[ticket] serve = false`.
    TurnedOff,
    /// `[ticket] serve = "auto"`, and these parts of the view are not understood: Django goes on serving it.
    LeftToDjango(Vec<String>),
}
