//! What handshakes are answered by: one reading of the settings, and what all readings share.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use super::{
    deflate::Deflate,
    denied::Denied,
    limits::Limits,
    options::WebSocketOptions,
    origin::OriginCheck,
    proxy::Proxy,
    refusals::Refusals,
    registry::Registry,
    roll::Roll,
    route::{self, Captures, Route},
};
use crate::{
    admission::Gates,
    channel_layer::ChannelLayer,
    consumer::{
        self, Application, RouteContext, RouteKind, RouteOptions, RoutePattern,
        ask::{Ask, Asks, OwnPaths},
    },
    metrics::Metrics,
    server::LimitOptions,
    ticket::{Needs, TicketStore},
    trace::Trace,
    upstream::{Forwarding, ProxyOptions, Upstream, UpstreamOptions},
    user::UserStore,
};

/// How a path is named that no route has.
const ELSEWHERE: &str = "upstream";

/// What a route leads to.
pub(super) enum Target {
    /// Consumers of ours.
    Consumer(Consumers),
    /// One of Django's.
    Proxy(Arc<Proxy>),
}

/// What makes the consumers of a route, and what their connections have in common.
#[derive(Clone)]
pub(super) struct Consumers {
    pub(super) application: Arc<dyn Application>,
    pub(super) context: Arc<RouteContext>,
}

/// The parts that a site is put together from.
pub(crate) struct WebSocketParts {
    pub(crate) options: WebSocketOptions,
    pub(crate) limits: LimitOptions,
    pub(crate) tickets: Arc<dyn TicketStore>,
    /// What of a token is kept beside its ticket, and used once its socket is open.
    pub(crate) needs: Needs,
    pub(crate) users: Arc<dyn UserStore>,
    /// Where a path leads that no route has.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Under which headers a handshake is passed on.
    pub(crate) forwarding: Arc<Forwarding>,
    /// The project's channel layer, where a route needs it.
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
    /// What the questions of all routes have in common.
    pub(crate) asks: Arc<Asks>,
    /// Where handshakes wait for their turn.
    pub(crate) gates: Arc<Gates>,
    /// What counts what befalls the sockets of each route.
    pub(crate) metrics: Arc<Metrics>,
}

/// The WebSocket side of one reading of the settings. A reload makes a new one; open sockets keep theirs.
pub(crate) struct WebSocketSite {
    routes: Vec<Route>,
    /// One for each route.
    targets: Vec<Target>,
    /// The same, as written; and that of any other path.
    names: Vec<Arc<str>>,
    /// Where a path leads that no route has.
    elsewhere: Option<Target>,
    /// But not from these, where Django is asked.
    ask_paths: OwnPaths,
    pub(super) origins: OriginCheck,
    pub(super) options: Arc<WebSocketOptions>,
    /// Where compression is on.
    pub(super) deflate: Option<Arc<Deflate>>,
    pub(super) limits: LimitOptions,
    pub(super) tickets: Arc<dyn TicketStore>,
    pub(super) needs: Needs,
    pub(super) users: Arc<dyn UserStore>,
    /// Under which headers a handshake is passed on.
    pub(super) forwarding: Arc<Forwarding>,
    pub(super) gates: Arc<Gates>,
    /// `connections` of those routes that have it, with the pattern by which they are counted.
    route_limits: Vec<Option<RouteLimit>>,
}

/// How many sockets a route may have.
pub(super) struct RouteLimit {
    /// Its pattern, as written.
    pub(super) route: Box<str>,
    pub(super) most: usize,
}

impl WebSocketSite {
    /// Compiles routes and templates.
    ///
    /// # Errors
    ///
    /// A sentence for each problem of each route.
    pub(crate) fn build(parts: WebSocketParts, routes: &[RouteOptions]) -> Result<Self, Vec<String>> {
        let WebSocketParts {
            options,
            limits,
            tickets,
            needs,
            users,
            upstream,
            forwarding,
            layer,
            asks,
            gates,
            metrics,
        } = parts;
        let mut problems = Vec::new();
        let mut compiled = Vec::new();
        let mut targets = Vec::new();
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut servers = Vec::new();
        let mut route_limits = Vec::new();
        for options in routes {
            let (RoutePattern::Path(written) | RoutePattern::Regex(written)) = &options.pattern;
            let consumers = |application, route: &Route, ask| {
                let context = RouteContext {
                    route: written.clone(),
                    captures: route.names().to_vec(),
                    layer: layer.clone(),
                    ask,
                    outbox: options.outbox,
                    tally: metrics.routes.tally(written),
                };
                Target::Consumer(Consumers { application, context: Arc::new(context) })
            };
            let route = match Route::compile(&options.matched()) {
                Ok(route) => route,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let target = match &options.kind {
                RouteKind::Rust(consumer) => consumers(consumer.application(), &route, None),
                RouteKind::Proxy(proxy) => {
                    let Some(upstream) = own_upstream(proxy, &mut servers).or_else(|| upstream.clone()) else {
                        problems.push(format!("route {written:?}: there is no [upstream] to pass it on to"));
                        continue;
                    };
                    Target::Proxy(Arc::new(Proxy::new(upstream, proxy)))
                }
                RouteKind::Declared(declared) => match consumer::compile(written, route.names(), declared) {
                    Ok(compiled) => match declared.ask.as_ref().map(|ask| Ask::new(&asks, written, ask)).transpose() {
                        Ok(ask) => consumers(Arc::new(compiled), &route, ask),
                        Err(problem) => {
                            problems.push(format!("route {written:?}: {problem}"));
                            continue;
                        }
                    },
                    Err(found) => {
                        problems.extend(found.into_iter().map(|problem| format!("route {written:?}: {problem}")));
                        continue;
                    }
                },
            };
            route_limits.push(options.connections.map(|most| RouteLimit { route: written.as_str().into(), most }));
            compiled.push(route);
            targets.push(target);
            names.push(written.as_str().into());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        names.push(ELSEWHERE.into());
        Ok(Self {
            routes: compiled,
            targets,
            names,
            elsewhere: upstream.map(|upstream| Target::Proxy(Arc::new(Proxy::untouched(upstream)))),
            ask_paths: OwnPaths::new(routes),
            origins: OriginCheck::new(&options.origins),
            deflate: options.compression.map(|deflate| Arc::new(Deflate::new(deflate, options.max_message_size))),
            options: Arc::new(options),
            limits,
            tickets,
            needs,
            users,
            forwarding,
            gates,
            route_limits,
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
    pub(super) fn route(&self, path: &str) -> Option<(usize, &Target, Captures)> {
        match route::find(&self.routes, path).ok()? {
            Some((index, captures)) => Some((index, self.targets.get(index)?, captures)),
            None if self.ask_paths.has(path) => None,
            None => Some((self.routes.len(), self.elsewhere.as_ref()?, Captures::default())),
        }
    }

    /// The routes that are tried for a path, as written, up to the one that matches.
    pub(super) fn tried(&self, path: &str) -> Vec<(Arc<str>, bool)> {
        let path = path.trim_start_matches('/');
        let mut tried = Vec::new();
        for (route, name) in self.routes.iter().zip(&self.names) {
            let does_match = route.matches(path).is_ok_and(|captures| captures.is_some());
            tried.push((Arc::clone(name), does_match));
            if does_match {
                break;
            }
        }
        tried
    }

    /// What the captures of a route are called.
    pub(super) fn capture_names(&self, index: usize) -> &[String] {
        self.routes.get(index).map_or(&[], |route| route.names())
    }

    /// The route of this index, as written in the settings.
    pub(super) fn route_name(&self, index: usize) -> Arc<str> {
        self.names.get(index).map_or_else(|| ELSEWHERE.into(), Arc::clone)
    }

    /// How many sockets the route with this index may have.
    pub(super) fn route_limit(&self, route: usize) -> Option<&RouteLimit> {
        self.route_limits.get(route)?.as_ref()
    }

    /// What the sockets of a route have in common.
    #[cfg(test)]
    pub(super) fn context(&self, path: &str) -> Option<&Arc<RouteContext>> {
        match self.route(path)? {
            (_, Target::Consumer(consumers), _) => Some(&consumers.context),
            (_, Target::Proxy(_), _) => None,
        }
    }

    /// Adds a route before the others.
    #[cfg(test)]
    pub(super) fn insert(&mut self, route: Route, application: Arc<dyn Application>) {
        let context =
            RouteContext { route: "test".to_owned(), captures: route.names().to_vec(), ..RouteContext::default() };
        self.routes.insert(0, route);
        self.names.insert(0, "test".into());
        self.route_limits.insert(0, None);
        self.targets.insert(0, Target::Consumer(Consumers { application, context: Arc::new(context) }));
    }
}

/// The servers of a route that names its own, which other routes may share.
fn own_upstream(options: &ProxyOptions, known: &mut Vec<(UpstreamOptions, Arc<Upstream>)>) -> Option<Arc<Upstream>> {
    let options = options.upstream.as_ref()?;
    if let Some((_, upstream)) = known.iter().find(|(known, _)| known == options) {
        return Some(Arc::clone(upstream));
    }
    let upstream = Upstream::start(options.clone());
    known.push((options.clone(), Arc::clone(&upstream)));
    Some(upstream)
}

/// What all sockets of the process share, whichever settings they were admitted by.
pub(crate) struct OpenSockets {
    pub(crate) registry: Arc<Registry>,
    /// Who is connected.
    pub(crate) roll: Arc<Roll>,
    pub(super) limits: Limits,
    pub(crate) refusals: Refusals,
    pub(crate) metrics: Arc<Metrics>,
    /// How many sockets file descriptors allow.
    pub(super) most: usize,
    pub(super) is_draining: AtomicBool,
    pub(super) is_succeeded: AtomicBool,
    current: OnceLock<Box<dyn Fn() -> Arc<WebSocketSite> + Send + Sync>>,
}

impl OpenSockets {
    /// `most`: how many sockets there can be in all, whatever the settings say.
    pub(crate) fn new(registry: Arc<Registry>, most: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            registry,
            roll: Roll::new(),
            limits: Limits::default(),
            refusals: Refusals::default(),
            metrics,
            most,
            is_draining: AtomicBool::new(false),
            is_succeeded: AtomicBool::new(false),
            current: OnceLock::new(),
        }
    }

    /// Says and remembers that a handshake is refused: every refusal comes by here, once. `status` is Django's
    /// own, where that answered; `path` is without its query.
    pub(super) fn refused(
        &self,
        denied: &Denied,
        status: Option<u16>,
        path: &str,
        address: IpAddr,
        trace: Option<Trace>,
    ) {
        let Denied { reason, failure } = denied;
        let (reason, trace_id) = (*reason, trace.map(tracing::field::display));
        if let Some(error) = failure {
            tracing::error!(%reason, error, path, client.address = %address, trace_id, "handshake refused");
        } else {
            tracing::info!(%reason, status, path, client.address = %address, trace_id, "handshake refused");
        }
        self.metrics.handshakes.refused(reason);
        self.refusals.add(reason, path, address, SystemTime::now());
    }

    /// Says where the site of the settings that hold at the time is found.
    pub(crate) fn follow(&self, current: impl Fn() -> Arc<WebSocketSite> + Send + Sync + 'static) {
        // A second one is none: a server has one place for its site.
        let _ = self.current.set(Box::new(current));
    }

    /// The site of the settings that hold now; `None` before there is a server.
    pub(super) fn current(&self) -> Option<Arc<WebSocketSite>> {
        self.current.get().map(|current| current())
    }

    /// How many sockets there can be in all.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }
}

impl fmt::Debug for OpenSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSockets")
            .field("registry", &self.registry)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
