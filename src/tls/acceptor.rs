//! What new connections are accepted by, and how it is renewed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls::{ServerConfig, crypto::aws_lc_rs, server::NoServerSessionStorage, sign::SingleCertAndKey};
use tokio::{net::TcpStream, task::spawn_blocking, time::sleep};

use super::{HandshakeError, Identity, IdentityError, TlsOptions, TlsStream, stamp::Stamp};
use crate::metrics::Metrics;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long they must have been left alone before they are read: a certificate and its key are written one by one.
const SETTLED: Duration = Duration::from_secs(1);

/// The certificate in use. New connections get a renewed one; open ones stay as they are.
#[derive(Debug)]
pub(crate) struct TlsAcceptor(Mutex<Current>);

#[derive(Clone, Debug)]
struct Current {
    options: TlsOptions,
    stamps: [Option<Stamp>; 2],
    identity: Identity,
    config: Arc<ServerConfig>,
    /// What of its end was said last.
    told: Option<String>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenTlsError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Current {
    fn read(options: &TlsOptions) -> Result<Self, OpenTlsError> {
        // Before the files, so that what is written meanwhile is seen next time.
        let stamps = stamps(options);
        let identity = Identity::read(options)?;
        let config = Arc::new(config(&identity)?);
        Ok(Self { options: options.clone(), stamps, identity, config, told: None })
    }

    /// Of a fault once, and once a day of one that is to come.
    fn warn_of_faults(&mut self) {
        let now = Timestamp::now();
        let fault = self.identity.fault(now).or_else(|| self.identity.ends_soon(now));
        if let Some(fault) = &fault
            && self.told.as_ref() != Some(fault)
        {
            tracing::warn!(file = %self.options.certificate.display(), "{fault}");
        }
        self.told = fault;
    }
}

fn stamps(options: &TlsOptions) -> [Option<Stamp>; 2] {
    [Stamp::of(&options.certificate), Stamp::of(&options.key)]
}

/// A session that is resumed shows no certificate, so tickets are good for the certificate that they were given under.
fn config(identity: &Identity) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.certified))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // What a client resumes by is kept by the client.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

impl TlsAcceptor {
    /// Reads the files. Warns of a certificate that clients will refuse, now or soon.
    ///
    /// # Errors
    ///
    /// [`OpenTlsError`]: there is no certificate to show.
    pub(crate) fn open(options: &TlsOptions) -> Result<Self, OpenTlsError> {
        let mut current = Current::read(options)?;
        tracing::info!("TLS with the certificate {}", current.identity);
        current.warn_of_faults();
        Ok(Self(Mutex::new(current)))
    }

    /// Does the handshake, within `patience`.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]: there is no connection.
    pub(crate) async fn accept(&self, tcp: TcpStream, patience: Duration) -> Result<TlsStream, HandshakeError> {
        tokio::time::timeout(patience, TlsStream::accept(tcp, self.config())).await.unwrap_or(Err(HandshakeError::Late))
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.lock().config)
    }

    /// The certificate that clients see.
    #[cfg(test)]
    pub(super) fn shown(&self) -> rustls::pki_types::CertificateDer<'static> {
        self.lock().identity.certified.cert[0].clone()
    }

    /// Shows in `metrics` when the certificate in use ends.
    pub(crate) fn show_in(self: &Arc<Self>, metrics: &Metrics) {
        let acceptor = Arc::clone(self);
        metrics.sample(move |page| {
            let seconds = u64::try_from(acceptor.not_after().as_second()).unwrap_or_default();
            page.gauge(
                "sluicegate_tls_certificate_not_after_timestamp_seconds",
                "When the certificate that clients see ends.",
            )
            .sample(&[], seconds);
        });
    }

    fn not_after(&self) -> Timestamp {
        self.lock().identity.described.not_after
    }

    /// Reads the files that `options` name, and uses what they hold from then on.
    ///
    /// # Errors
    ///
    /// [`OpenTlsError`]; nothing has changed.
    pub(crate) fn reload(&self, options: &TlsOptions) -> Result<(), OpenTlsError> {
        let mut new = Current::read(options)?;
        let mut current = self.lock();
        if new.identity.is(&current.identity) {
            (current.options, current.stamps) = (new.options, new.stamps);
            return Ok(());
        }
        tracing::info!("new connections get the certificate {}", new.identity);
        new.warn_of_faults();
        *current = new;
        Ok(())
    }

    /// Looks at the files again and again, and reads them when they have changed.
    pub(crate) async fn renew(self: Arc<Self>) {
        self.renew_every(LOOK_EVERY, SETTLED).await;
    }

    pub(super) async fn renew_every(self: Arc<Self>, look_every: Duration, settled: Duration) {
        loop {
            sleep(look_every).await;
            let mut seen = self.stamps().await;
            if seen != self.lock().stamps {
                loop {
                    sleep(settled).await;
                    let now = self.stamps().await;
                    if now == seen {
                        break;
                    }
                    seen = now;
                }
                let acceptor = Arc::clone(&self);
                // A panic has told of itself.
                let _ = spawn_blocking(move || acceptor.renew_now()).await;
            }
            self.lock().warn_of_faults();
        }
    }

    fn renew_now(&self) {
        let options = self.lock().options.clone();
        let seen = stamps(&options);
        if let Err(error) = self.reload(&options) {
            let mend = match &error {
                OpenTlsError::Identity(error) => format!("\n{}", error.mend()),
                OpenTlsError::Tls(_) => String::new(),
            };
            tracing::error!("the certificate is not renewed, the old one stays: {error}{mend}");
            // Said once for each state of the files.
            self.lock().stamps = seen;
        }
    }

    /// Those of the files as they are now.
    async fn stamps(&self) -> [Option<Stamp>; 2] {
        let (options, before) = {
            let current = self.lock();
            (current.options.clone(), current.stamps)
        };
        spawn_blocking(move || stamps(&options)).await.unwrap_or(before)
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
