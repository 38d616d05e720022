//! What the HTTP side works with, built once.

use std::sync::Arc;

use http::HeaderName;

use super::{
    cors::Cors, health::Health, options::HttpOptions, paths::Views, pattern::PatternError, request::header_of_meta,
    security::SslRedirect,
};
use crate::{
    access_token::Verifier,
    admission::Gate,
    cache::throttle::ThrottleStore,
    channel_layer::ChannelLayer,
    consumer::ask::OwnPaths,
    metrics::Metrics,
    ticket::{Needs, TicketStore},
    upstream::{Forwarding, Upstream},
    user::UserStore,
};

/// The parts that the HTTP side is put together from.
pub(crate) struct HttpParts {
    pub(crate) options: HttpOptions,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) tickets: Arc<dyn TicketStore>,
    /// What of a token is kept beside its ticket.
    pub(crate) needs: Needs,
    pub(crate) throttles: Arc<dyn ThrottleStore>,
    /// Where a request goes that is not for a view of ours.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// But not from these, where Django is asked.
    pub(crate) ask_paths: OwnPaths,
    /// What readiness sends a message around in, where a route uses it.
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
    /// Under which headers.
    pub(crate) forwarding: Arc<Forwarding>,
    /// Where requests for tickets wait for their turn.
    pub(crate) gate: Arc<Gate>,
    /// `[health] path_prefix`.
    pub(crate) health_path_prefix: String,
    pub(crate) metrics: Arc<Metrics>,
}

/// [`HttpParts`], with every pattern compiled.
pub(crate) struct HttpState {
    pub(super) options: HttpOptions,
    /// `AUTH_HEADER_NAME`; none if no header can have that name.
    pub(super) auth_header: Option<HeaderName>,
    pub(super) views: Views,
    pub(super) cors: Cors,
    pub(super) ssl_redirect: SslRedirect,
    pub(super) verifier: Arc<Verifier>,
    pub(super) users: Arc<dyn UserStore>,
    pub(super) tickets: Arc<dyn TicketStore>,
    pub(super) needs: Needs,
    pub(super) throttles: Arc<dyn ThrottleStore>,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) ask_paths: OwnPaths,
    pub(super) forwarding: Arc<Forwarding>,
    pub(super) gate: Arc<Gate>,
    pub(super) health: Arc<Health>,
    pub(super) health_path_prefix: String,
    pub(super) metrics: Arc<Metrics>,
}

impl HttpState {
    /// What `/readyz` asks.
    pub(crate) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Compiles the patterns of the settings.
    ///
    /// # Errors
    ///
    /// [`PatternError`] names the one that cannot be used.
    pub(crate) fn new(parts: HttpParts) -> Result<Self, PatternError> {
        Ok(Self {
            views: Views::new(&parts.options.views)?,
            cors: Cors::new(&parts.options.cors)?,
            ssl_redirect: SslRedirect::new(&parts.options)?,
            health: Arc::new(Health::new(
                Arc::clone(&parts.users),
                Arc::clone(&parts.tickets),
                parts.upstream.clone(),
                parts.layer,
            )),
            auth_header: header_of_meta(&parts.verifier.options().auth_header_name),
            health_path_prefix: parts.health_path_prefix,
            options: parts.options,
            verifier: parts.verifier,
            users: parts.users,
            tickets: parts.tickets,
            needs: parts.needs,
            throttles: parts.throttles,
            upstream: parts.upstream,
            ask_paths: parts.ask_paths,
            forwarding: parts.forwarding,
            metrics: parts.metrics,
            gate: parts.gate,
        })
    }
}
