//! The program put together: settings checked, pools tried, address bound; then run, reload, stop.

mod layers;
mod measured;
mod no_admission;
mod refused_login;
mod site;
mod takeover;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, oneshot, watch};

use crate::{
    admin::{Access, AdminOptions, AdminServer, Board},
    metrics::{self, Metrics},
    server::{Given, Listening, Server, Site, Stop, Stopper},
    settings::Settings,
    tls::{TlsAcceptor, TlsOptions},
};

pub(crate) use layers::{Layers, try_once};
pub(crate) use site::{OpenSiteError, Parts, open_parts};
use takeover::{Sockets, Succession};

/// How long the channel layers may take to be left, and a little more.
const LONGEST_FAREWELL: Duration = Duration::from_secs(15);

/// What requests are answered by.
pub(crate) type HttpSite = Site<axum::Router>;

/// A server that is bound and has tried its database and cache once, but does not accept yet.
pub struct App {
    server: Server,
    site: watch::Sender<Arc<HttpSite>>,
    refused_login: Arc<Notify>,
    layers: Arc<Layers>,
    metrics: Arc<Metrics>,
    admin: Option<(AdminServer, Arc<Board>)>,
    tls: Option<Arc<TlsAcceptor>>,
    succession: Option<Succession>,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}. {}", bind_hint(source))]
    Bind {
        /// As written in `--bind`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The admin address cannot be listened on.
    #[error("cannot listen on the admin address {address}: {source}. `--admin-bind` takes another one")]
    BindAdmin {
        /// As written in `--admin-bind`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The service manager has a socket for the admin address, and the settings have none.
    #[error(
        "the service manager hands over a socket named `admin`, and there is no admin address: `[admin] bind` or \
         `--admin-bind` turns it on"
    )]
    NoAdmin,
    /// The process that serves now cannot be taken over from.
    #[error("cannot take over: {0}")]
    Handover(Box<dyn std::error::Error + Send + Sync>),
    /// The files of the certificate cannot be used.
    #[error("TLS: {0}")]
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// A part of the project could not be opened.
    #[error(transparent)]
    Site(Box<dyn std::error::Error + Send + Sync>),
}

fn bind_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "Another program is there: `--bind` takes another address or port",
        io::ErrorKind::PermissionDenied => "Ports below 1024 need a privilege: `--bind` takes another port",
        _ => "`--bind` takes an address of this machine and a port, such as 127.0.0.1:8001",
    }
}

impl App {
    /// Opens database, cache and channel layer, tries each once, compiles routes and templates, and binds the address, or
    /// takes it over from the process that `[server] handover` leads to.
    ///
    /// # Errors
    ///
    /// [`AppError`] says which part does not work, and what to do about it.
    pub async fn build(settings: Settings) -> Result<Self, AppError> {
        Box::pin(Self::build_on(settings, Given::default())).await
    }

    /// The same, with the sockets of the service manager.
    pub(crate) async fn build_on(settings: Settings, given: Given) -> Result<Self, AppError> {
        let (bind, admin) = (settings.server.clone(), settings.admin.clone());
        let refused_login = Arc::new(Notify::new());
        let metrics = Arc::new(Metrics::default());
        let layers = Arc::new(Layers::new(Arc::clone(&metrics)));
        layers.hear_commands_on(layers::heard_by(&settings));
        let site = open_site(settings, &refused_login, &layers, &metrics)
            .await
            .map_err(|error| AppError::Site(error.into()))?;
        Self::with_site(&bind, admin.as_ref(), given, site, refused_login, layers, metrics).await
    }

    /// Listens at `options` and `admin`, or on what is given, for a site that is there already.
    pub(crate) async fn with_site(
        options: &crate::server::ServerOptions,
        admin: Option<&AdminOptions>,
        given: Given,
        site: HttpSite,
        refused_login: Arc<Notify>,
        layers: Arc<Layers>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, AppError> {
        let tls = options.tls.as_ref().map(TlsAcceptor::open).transpose();
        let tls = tls.map_err(|error| AppError::Tls(error.into()))?.map(Arc::new);
        let sockets = Sockets::open(options, admin, given).await?;
        let server = Server::new(sockets.main, options, Arc::clone(&metrics)).with_tls(tls.clone());
        layers.show_in(&metrics);
        let open = Arc::downgrade(&server.sockets());
        metrics.sample(move |page| {
            if let Some(open) = open.upgrade() {
                metrics::sockets::write(page, &open);
            }
        });
        if let Some(tls) = &tls {
            tls.show_in(&metrics);
        }
        let site = watch::Sender::new(Arc::new(site));
        let admin = admin.zip(sockets.admin).map(|(options, at)| admin_server(options, at, &server, &layers, &site));
        Ok(Self { server, site, refused_login, layers, metrics, admin, tls, succession: sockets.succession })
    }

    /// Where it listens; with port 0 in `--bind` the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What a URL of it starts with: `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether the listening sockets are those of a process that runs and drains once this one serves.
    pub(crate) fn takes_over(&self) -> bool {
        self.succession.as_ref().is_some_and(Succession::takes_over)
    }

    /// How long it may take to end, from the first signal on.
    pub(crate) fn longest_stop(&self) -> Duration {
        self.server.longest_stop(self.site.borrow().websocket.close_timeout()) + LONGEST_FAREWELL
    }

    /// What swaps the settings of the running server.
    pub(crate) fn reloader(&self) -> Reloader {
        Reloader {
            site: self.site.clone(),
            refused_login: Arc::clone(&self.refused_login),
            layers: Arc::clone(&self.layers),
            board: self.admin.as_ref().map(|(_, board)| Arc::clone(board)),
            metrics: Arc::clone(&self.metrics),
            tls: self.tls.clone(),
        }
    }

    /// Serves until `shutdown` is ready, then closes the sockets with 1012, spread over `[server] drain_seconds`, lets
    /// requests finish, leaves all groups and returns. The admin address answers until then.
    ///
    /// Where another process takes over by `[server] handover`, this does the same at once, and the other has both addresses.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let stop = Stopper::default();
        let mut running = pin!(self.run_until(stop.clone()));
        tokio::select! {
            () = &mut running => {}
            () = shutdown => {
                stop.raise(Stop::Spread);
                running.await;
            }
        }
    }

    /// The same, where `stop` says when, and how.
    pub(crate) async fn run_until(self, stop: Stopper) {
        let Self { server, site, layers, admin, tls, succession, .. } = self;
        let mut admin = admin.map(|(server, board)| server.start(board));
        let renewal = tls.map(|tls| tokio::spawn(tls.renew()));
        let reports = tokio::spawn({
            let layers = Arc::clone(&layers);
            async move { layers.report().await }
        });
        let commands = tokio::spawn(Arc::clone(&layers).hear_commands(server.sockets()));
        let (end, ended) = oneshot::channel();
        let users = tokio::spawn(Arc::clone(&layers.gates.users).run(ended));
        let mut serving = pin!(server.serve(site.subscribe(), stop.clone()));
        let succession = async {
            if let Some(succession) = succession {
                succession.go_on(&stop).await;
            }
        };
        tokio::select! {
            // It accepts before the process that it takes over from hears of it.
            biased;
            () = &mut serving => {}
            () = succession => {
                if stop.asked() == Stop::HandedOver && let Some(admin) = admin.take() {
                    tokio::join!(&mut serving, admin.stop());
                } else {
                    serving.await;
                }
            }
        }
        if let Some(renewal) = renewal {
            renewal.abort();
        }
        reports.abort();
        tokio::select! {
            () = layers.close() => {}
            () = stop.reaches(Stop::Abandon) => layers.abandon().await,
        }
        commands.abort();
        drop(end);
        // It takes as long as one command to Redis at most.
        let _ = users.await;
        if let Some(admin) = admin {
            admin.stop().await;
        }
        drop(site);
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address()).finish_non_exhaustive()
    }
}

fn admin_server(
    options: &AdminOptions,
    listening: Listening,
    server: &Server,
    layers: &Layers,
    site: &watch::Sender<Arc<HttpSite>>,
) -> (AdminServer, Arc<Board>) {
    let admin = AdminServer::new(listening);
    tracing::info!("the admin page is at http://{}", admin.address());
    if options.is_open_to_others(admin.address()) {
        tracing::warn!("{}", AdminOptions::OPEN_TO_OTHERS);
    }
    let commands = Arc::clone(&layers.commands);
    (admin, Arc::new(Board::new(Access::new(options), server.sockets(), commands, site.subscribe())))
}

/// Opens everything that `settings` name, and tries it once.
async fn open_site(
    settings: Settings,
    refused_login: &Arc<Notify>,
    layers: &Layers,
    metrics: &Arc<Metrics>,
) -> Result<HttpSite, OpenSiteError> {
    let parts = open_parts(&settings, Some(refused_login)).await?.measured(metrics);
    let layer = layers.of(&settings).await?;
    let (farewells, gates) = (Some(Arc::clone(&layers.farewells)), Arc::clone(&layers.gates));
    Parts { layer, farewells, gates, ..parts }.into_site(settings)
}

/// Swaps the settings of a running server. Open sockets keep those that they were admitted by.
#[derive(Clone)]
pub(crate) struct Reloader {
    site: watch::Sender<Arc<HttpSite>>,
    refused_login: Arc<Notify>,
    layers: Arc<Layers>,
    board: Option<Arc<Board>>,
    metrics: Arc<Metrics>,
    tls: Option<Arc<TlsAcceptor>>,
}

impl Reloader {
    /// Waits until the database or the cache refuses the login, as after a change of passwords.
    pub(crate) async fn login_refused(&self) {
        self.refused_login.notified().await;
    }

    /// Opens everything anew by `settings` and serves by it from then on. The addresses and the
    /// limits of the listeners stay.
    ///
    /// # Errors
    ///
    /// [`OpenSiteError`]; nothing has changed.
    pub(crate) async fn reload(&self, settings: Settings) -> Result<(), OpenSiteError> {
        let admin = settings.admin.clone();
        let certificate = settings.server.tls.clone();
        let commands = layers::heard_by(&settings);
        let site = open_site(settings, &self.refused_login, &self.layers, &self.metrics).await?;
        self.reload_certificate(certificate).await?;
        self.site.send_replace(Arc::new(site));
        self.layers.hear_commands_on(commands);
        if let (Some(board), Some(options)) = (&self.board, &admin) {
            board.set_access(Access::new(options));
        }
        Ok(())
    }

    /// Counts a reload by what came of it.
    pub(crate) fn count(&self, is_done: bool) {
        self.metrics.reloads.count(is_done, SystemTime::now());
    }

    async fn reload_certificate(&self, options: Option<TlsOptions>) -> Result<(), OpenSiteError> {
        match (&self.tls, options) {
            (Some(tls), Some(options)) => {
                let tls = Arc::clone(tls);
                match tokio::task::spawn_blocking(move || tls.reload(&options)).await {
                    Ok(reloaded) => reloaded?,
                    Err(error) => tracing::error!(%error, "the certificate was not read"),
                }
            }
            (None, None) => {}
            _ => tracing::warn!("TLS is turned on and off by a restart, and stays as it is"),
        }
        Ok(())
    }
}
