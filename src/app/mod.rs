//! The program put together: settings checked, pools tried, address bound; then run, reload, stop.

mod layers;
mod no_admission;
mod refused_login;
mod site;

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use tokio::sync::{Notify, watch};

use crate::{
    server::{Server, Site},
    settings::Settings,
    tls::{TlsAcceptor, TlsOptions},
};

pub(crate) use layers::{Layers, try_once};
pub(crate) use site::{OpenSiteError, Parts, open_parts};

/// What requests are answered by.
pub(crate) type HttpSite = Site<axum::Router>;

/// A server that is bound and has tried its database and cache once, but does not accept yet.
pub struct App {
    server: Server,
    site: watch::Sender<Arc<HttpSite>>,
    refused_login: Arc<Notify>,
    layers: Arc<Layers>,
    tls: Option<Arc<TlsAcceptor>>,
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
    /// Opens database, cache and channel layer, tries each once, compiles routes and templates, and binds the address.
    ///
    /// # Errors
    ///
    /// [`AppError`] says which part does not work, and what to do about it.
    pub async fn build(settings: Settings) -> Result<Self, AppError> {
        let bind = settings.server.clone();
        let refused_login = Arc::new(Notify::new());
        let layers = Arc::default();
        let site = open_site(settings, &refused_login, &layers).await.map_err(|error| AppError::Site(error.into()))?;
        Self::with_site(&bind, site, refused_login, layers).await
    }

    /// Binds the address of `options` for a site that is there already.
    pub(crate) async fn with_site(
        options: &crate::server::ServerOptions,
        site: HttpSite,
        refused_login: Arc<Notify>,
        layers: Arc<Layers>,
    ) -> Result<Self, AppError> {
        let tls = options.tls.as_ref().map(TlsAcceptor::open).transpose();
        let tls = tls.map_err(|error| AppError::Tls(error.into()))?.map(Arc::new);
        let server =
            Server::bind(options).await.map_err(|source| AppError::Bind { address: options.bind.clone(), source })?;
        let server = server.with_tls(tls.clone());
        Ok(Self { server, site: watch::Sender::new(Arc::new(site)), refused_login, layers, tls })
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

    /// What swaps the settings of the running server.
    pub(crate) fn reloader(&self) -> Reloader {
        Reloader {
            site: self.site.clone(),
            refused_login: Arc::clone(&self.refused_login),
            layers: Arc::clone(&self.layers),
            tls: self.tls.clone(),
        }
    }

    /// Serves until `shutdown` is ready, then closes the sockets with 1012, lets requests finish, leaves all groups and returns.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { server, site, layers, tls, .. } = self;
        let renewal = tls.map(|tls| tokio::spawn(tls.renew()));
        let reports = tokio::spawn({
            let layers = Arc::clone(&layers);
            async move { layers.report().await }
        });
        server.serve(site.subscribe(), shutdown).await;
        if let Some(renewal) = renewal {
            renewal.abort();
        }
        reports.abort();
        layers.close().await;
        drop(site);
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Opens everything that `settings` name, and tries it once.
async fn open_site(
    settings: Settings,
    refused_login: &Arc<Notify>,
    layers: &Layers,
) -> Result<HttpSite, OpenSiteError> {
    let parts = open_parts(&settings, Some(refused_login)).await?;
    let layer = layers.of(&settings).await?;
    Parts { layer, farewells: Some(Arc::clone(&layers.farewells)), ..parts }.into_site(settings)
}

/// Swaps the settings of a running server. Open sockets keep those that they were admitted by.
#[derive(Clone)]
pub(crate) struct Reloader {
    site: watch::Sender<Arc<HttpSite>>,
    refused_login: Arc<Notify>,
    layers: Arc<Layers>,
    tls: Option<Arc<TlsAcceptor>>,
}

impl Reloader {
    /// Waits until the database or the cache refuses the login, as after a change of passwords.
    pub(crate) async fn login_refused(&self) {
        self.refused_login.notified().await;
    }

    /// Opens everything anew by `settings` and serves by it from then on. The address and the limits of the listener stay.
    ///
    /// # Errors
    ///
    /// [`OpenSiteError`]; nothing has changed.
    pub(crate) async fn reload(&self, settings: Settings) -> Result<(), OpenSiteError> {
        let certificate = settings.server.tls.clone();
        let site = open_site(settings, &self.refused_login, &self.layers).await?;
        self.reload_certificate(certificate).await?;
        self.site.send_replace(Arc::new(site));
        Ok(())
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
