//! What handshakes are answered by: one reading of the settings, and what all readings share.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    limits::Limits,
    options::WebSocketOptions,
    origin::OriginCheck,
    registry::Registry,
    route::{self, Captures, Route},
};
use crate::{
    consumer::{self, Application, RouteKind, RouteOptions, RoutePattern},
    server::LimitOptions,
    ticket::TicketStore,
    upstream::{Forwarding, Upstream},
    user::UserStore,
};

/// The WebSocket side of one reading of the settings. A reload makes a new one; open sockets keep theirs.
pub(crate) struct WebSocketSite {
    routes: Vec<Route>,
    /// One for each route.
    applications: Vec<Arc<dyn Application>>,
    pub(super) origins: OriginCheck,
    pub(super) options: Arc<WebSocketOptions>,
    pub(super) limits: LimitOptions,
    pub(super) tickets: Arc<dyn TicketStore>,
    pub(super) users: Arc<dyn UserStore>,
    /// Where a path goes that no route has.
    upstream: Option<Arc<Upstream>>,
    /// Under which headers a handshake is passed on.
    pub(super) forwarding: Arc<Forwarding>,
}

impl WebSocketSite {
    /// Compiles routes and templates.
    ///
    /// # Errors
    ///
    /// A sentence for each problem of each route.
    pub(crate) fn build(
        options: WebSocketOptions,
        limits: LimitOptions,
        routes: &[RouteOptions],
        tickets: Arc<dyn TicketStore>,
        users: Arc<dyn UserStore>,
        upstream: Option<Arc<Upstream>>,
        forwarding: Arc<Forwarding>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut compiled = Vec::new();
        let mut applications: Vec<Arc<dyn Application>> = Vec::new();
        for options in routes {
            let (RoutePattern::Path(written) | RoutePattern::Regex(written)) = &options.pattern;
            let route = match Route::compile(&options.pattern) {
                Ok(route) => route,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let application: Arc<dyn Application> = match &options.kind {
                RouteKind::Rust(consumer) => consumer.application(),
                RouteKind::Proxy(_) => continue,
                RouteKind::Declared(rules) => match consumer::compile(written, route.names(), rules) {
                    Ok(declared) => Arc::new(declared),
                    Err(found) => {
                        problems.extend(found.into_iter().map(|problem| format!("route {written:?}: {problem}")));
                        continue;
                    }
                },
            };
            compiled.push(route);
            applications.push(application);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            routes: compiled,
            applications,
            origins: OriginCheck::new(&options.origins),
            options: Arc::new(options),
            limits,
            tickets,
            users,
            upstream,
            forwarding,
        })
    }

    /// Whose `X-Forwarded-For` counts.
    pub(crate) fn trusted_proxies(&self) -> Option<&[(IpAddr, u8)]> {
        self.limits.trusted_proxies.as_deref()
    }

    /// How long a peer may take to answer a close.
    pub(crate) fn close_timeout(&self) -> Duration {
        self.options.close_timeout
    }

    /// The route of `path`, what it leads to, and what it captured.
    pub(super) fn route(&self, path: &str) -> Option<(usize, &Arc<dyn Application>, Captures)> {
        let (index, captures) = route::find(&self.routes, path)?;
        Some((index, self.applications.get(index)?, captures))
    }

    /// Adds a route before the others.
    #[cfg(test)]
    pub(super) fn insert(&mut self, route: Route, application: Arc<dyn Application>) {
        self.routes.insert(0, route);
        self.applications.insert(0, application);
    }
}

/// What all sockets of the process share, whichever settings they were admitted by.
#[derive(Debug)]
pub(crate) struct OpenSockets {
    pub(crate) registry: Arc<Registry>,
    pub(super) limits: Limits,
    /// How many sockets file descriptors allow.
    pub(super) most: usize,
    is_draining: AtomicBool,
}

impl OpenSockets {
    /// `most`: how many sockets there can be in all, whatever the settings say.
    pub(crate) fn new(registry: Arc<Registry>, most: usize) -> Self {
        Self { registry, limits: Limits::default(), most, is_draining: AtomicBool::new(false) }
    }

    /// From here on no socket is admitted, and those that are open are closed with 1012.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.registry.close_all();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }
}
