//! Layers -> one typed, checked [`Settings`].

use crate::{
    access_token::AccessTokenOptions, cache::CacheOptions, consumer::RouteOptions, database::DatabaseOptions,
    http::HttpOptions, server::ServerOptions, user::UserOptions, websocket::WebSocketOptions,
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
