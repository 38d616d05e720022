//! From settings to what answers requests.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{
    HttpSite,
    layers::LayerError,
    measured::{MeasuredThrottles, MeasuredTickets, MeasuredUsers},
    no_admission::NoAdmission,
    refused_login::{WatchedTickets, WatchedUsers},
};
use crate::{
    access_token::{KeyError, Verifier},
    admission::{Gates, SharedUsersOptions},
    cache::{
        CacheBackend,
        throttle::{self, InProcessThrottleStore, ThrottleStore},
    },
    channel_layer::{ChannelLayer, ChannelLayerOptions},
    consumer::{
        RouteKind, RouteOptions,
        ask::{AskParts, Asks, Farewells, OwnPaths, Register},
    },
    http::{HttpParts, HttpState, PatternError, router},
    metrics::Metrics,
    server::Site,
    settings::{Admission, Settings},
    ticket::{self, Needs, TicketStore, TicketStoreError},
    tls::OpenTlsError,
    upstream::{Forwarding, Upstream},
    user::{self, JoinedUsers, UserOpenError, UserStore},
    websocket::{WebSocketParts, WebSocketSite},
};

/// A part of the settings that turned out not to work when it was tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenSiteError {
    #[error("users: {}", chain(.0))]
    Users(#[from] UserOpenError),
    #[error("cache: {}", chain(.0))]
    Cache(#[from] ticket::OpenError),
    #[error("cache: {}", chain(.0))]
    CacheSilent(#[from] TicketStoreError),
    #[error("channel layer: {}", chain(.0))]
    ChannelLayer(#[from] LayerError),
    #[error("TLS: {}", chain(.0))]
    Tls(#[from] OpenTlsError),
    #[error("SIMPLE_JWT: {}", chain(.0))]
    Key(#[from] KeyError),
    #[error("settings: {}", chain(.0))]
    Pattern(#[from] PatternError),
    #[error("{}", .0.join("\n"))]
    Routes(Vec<String>),
}

/// An error and its causes in one line: what a person reads at start.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The stores and keys, opened and tried once.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) tickets: Arc<dyn TicketStore>,
    pub(crate) throttles: Arc<dyn ThrottleStore>,
    pub(crate) verifier: Arc<Verifier>,
    /// Where a route needs it.
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
    /// Where sockets are served, and their ends told.
    pub(crate) farewells: Option<Arc<Farewells>>,
    /// What counts how the parts do.
    pub(crate) metrics: Arc<Metrics>,
    /// Where handshakes and requests for tickets wait for their turn.
    pub(crate) gates: Arc<Gates>,
}

/// Opens the database and the cache and parses the keys. `refused_login` is told when a login is refused later on.
///
/// # Errors
///
/// [`OpenSiteError`]: the part that does not work.
pub(crate) async fn open_parts(
    settings: &Settings,
    refused_login: Option<&Arc<Notify>>,
) -> Result<Parts, OpenSiteError> {
    let verifier = Arc::new(Verifier::new(settings.access_token.clone())?);
    let Some(Admission { user, database, cache }) = &settings.admission else {
        return Ok(Parts::closed(verifier));
    };
    let mut users = user::open(user, database).await?;
    let mut tickets = ticket::open(cache)?;
    let throttles = throttle::open(cache).map_err(ticket::OpenError::from)?;
    tickets.ping().await?;
    if let Some(refused_login) = refused_login {
        users = Arc::new(WatchedUsers::new(users, Arc::clone(refused_login)));
        tickets = Arc::new(WatchedTickets::new(tickets, Arc::clone(refused_login)));
    }
    let gates = Arc::default();
    Ok(Parts { users, tickets, throttles, verifier, layer: None, farewells: None, metrics: Arc::default(), gates })
}

impl Parts {
    /// Without database and cache: stores that do not answer.
    pub(crate) fn closed(verifier: Arc<Verifier>) -> Self {
        let throttles = Arc::new(InProcessThrottleStore::default());
        Self {
            users: Arc::new(NoAdmission),
            tickets: Arc::new(NoAdmission),
            throttles,
            verifier,
            layer: None,
            farewells: None,
            metrics: Arc::default(),
            gates: Arc::default(),
        }
    }

    /// The same, counted and measured by `metrics`, with one query for those who ask for one user at the same time.
    pub(super) fn measured(self, metrics: &Arc<Metrics>) -> Self {
        for (name, pool) in [("users", self.users.pool()), ("cache", self.tickets.pool())] {
            if let Some(pool) = pool {
                pool.count_waits(&metrics.pools.waits);
                let usage = pool.watch();
                metrics.pools.usage.watch(move || Some((name, usage()?)));
            }
        }
        let users = Arc::new(MeasuredUsers { store: self.users, metrics: Arc::clone(metrics) });
        Self {
            users: Arc::new(JoinedUsers::new(users, Arc::clone(metrics))),
            tickets: Arc::new(MeasuredTickets { store: self.tickets, metrics: Arc::clone(metrics) }),
            throttles: Arc::new(MeasuredThrottles { store: self.throttles, metrics: Arc::clone(metrics) }),
            metrics: Arc::clone(metrics),
            ..self
        }
    }

    /// Compiles routes, templates and patterns.
    ///
    /// # Errors
    ///
    /// [`OpenSiteError::Routes`] or [`OpenSiteError::Pattern`].
    pub(crate) fn into_site(self, mut settings: Settings) -> Result<HttpSite, OpenSiteError> {
        name_health_host(&mut settings);
        let needs = needs(&settings);
        let shared_users = shared_users(&settings);
        let upstream = settings.upstream.map(Upstream::start);
        if let Some(upstream) = &upstream {
            self.metrics.upstreams.0.watch(upstream.watch());
        }
        let ssl_header = settings.http.secure_proxy_ssl_header.as_ref().map(|(name, _)| name.as_str());
        let forwarding = Arc::new(Forwarding::new(settings.server.limits.trusted_proxies.clone(), ssl_header));
        let ask_paths = OwnPaths::new(&settings.routes);
        let register = register(self.farewells.as_deref(), settings.channel_layer.as_ref(), &settings.routes)?;
        let asked = AskParts {
            upstream: upstream.clone(),
            layer: self.layer.clone(),
            register: register.clone(),
            farewells: self.farewells.unwrap_or_default(),
        };
        let admission = settings.server.limits.admission.clone();
        let parts = WebSocketParts {
            needs,
            options: settings.websocket,
            limits: settings.server.limits,
            tickets: Arc::clone(&self.tickets),
            users: Arc::clone(&self.users),
            upstream: upstream.clone(),
            forwarding: Arc::clone(&forwarding),
            asks: Asks::new(&settings.ask, settings.http.secure_proxy_ssl_header.as_ref(), asked),
            layer: self.layer.clone(),
            gates: Arc::clone(&self.gates),
            metrics: Arc::clone(&self.metrics),
        };
        let websocket = WebSocketSite::build(parts, &settings.routes).map_err(OpenSiteError::Routes)?;
        let layer = self.layer.clone();
        let http = HttpState::new(HttpParts {
            needs,
            options: settings.http,
            verifier: self.verifier,
            users: self.users,
            tickets: self.tickets,
            throttles: self.throttles,
            upstream,
            ask_paths,
            layer: self.layer,
            forwarding,
            gate: Arc::clone(&self.gates.tickets),
            health_path_prefix: settings.server.health_path_prefix,
            metrics: self.metrics,
        })?;
        if let Some(register) = register {
            register.take_part();
        }
        self.gates.set(&admission);
        self.gates.users.set(shared_users);
        Ok(Site { health: http.health(), http: router(http), websocket: Arc::new(websocket), layer })
    }
}

/// Which claims matter once a socket is open.
fn needs(settings: &Settings) -> Needs {
    let token = &settings.access_token;
    let are_checked = settings.websocket.user_check_interval.is_some();
    Needs {
        exp: settings.websocket.expire_with_token,
        jti: are_checked && token.token_classes.iter().any(|class| class.checks_blacklist),
        password: are_checked && token.check_revoke_token,
        leeway: token.leeway,
    }
}

/// Where the sockets of a user are counted together, where they are limited and the cache has a Redis.
fn shared_users(settings: &Settings) -> Option<SharedUsersOptions> {
    let limits = &settings.server.limits;
    let _ = limits.connections_per_user.filter(|_| limits.admission.share_users)?;
    let cache = &settings.admission.as_ref()?.cache;
    let (CacheBackend::DjangoRedis { redis, .. } | CacheBackend::DjangoRedisPackage { redis, .. }) = &cache.backend
    else {
        return None;
    };
    Some(SharedUsersOptions {
        redis: redis.clone(),
        key: cache.key.clone(),
        timeout: cache.timeout,
        lease: SharedUsersOptions::LEASE,
    })
}

/// The register of sockets whose ends are to be told, where a route wants it and the layer has a Redis.
fn register(
    farewells: Option<&Farewells>,
    layer: Option<&ChannelLayerOptions>,
    routes: &[RouteOptions],
) -> Result<Option<Arc<Register>>, OpenSiteError> {
    let is_told = |route: &RouteOptions| match &route.kind {
        RouteKind::Declared(declared) => declared.ask.as_ref().is_some_and(|ask| ask.on_disconnect),
        RouteKind::Rust(_) | RouteKind::Proxy(_) => false,
    };
    match (farewells, layer) {
        (Some(farewells), Some(layer)) if routes.iter().any(is_told) => {
            Ok(farewells.register(layer).map_err(LayerError::from)?)
        }
        _ => Ok(None),
    }
}

/// Has the upstream's health asked for under a name that Django lets in.
fn name_health_host(settings: &mut Settings) {
    let host = allowed_host(&settings.http.allowed_hosts);
    let of_routes = settings.routes.iter_mut().filter_map(|route| match &mut route.kind {
        RouteKind::Proxy(proxy) => proxy.upstream.as_mut(),
        RouteKind::Rust(_) | RouteKind::Declared(_) => None,
    });
    for upstream in settings.upstream.iter_mut().chain(of_routes) {
        upstream.health_host.clone_from(&host);
    }
}

/// The first of `ALLOWED_HOSTS` that names a host. A leading dot allows the domain itself too.
fn allowed_host(allowed_hosts: &[String]) -> Option<String> {
    let named = allowed_hosts.iter().find(|host| *host != "*" && !host.is_empty());
    named.map(|host| host.trim_start_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_asked_for_under_a_name_that_django_lets_in() {
        for (allowed, host) in [
            (vec!["example.com", "www.example.com"], Some("example.com")),
            (vec![".localhost", "127.0.0.1"], Some("localhost")),
            (vec!["*"], None),
            (vec![], None),
        ] {
            let allowed: Vec<String> = allowed.into_iter().map(str::to_owned).collect();
            assert_eq!(allowed_host(&allowed).as_deref(), host, "{allowed:?}");
        }
    }
}
