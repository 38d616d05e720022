//! `[server]`-like flags and `[limits]`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::{admission::AdmissionOptions, tls::TlsOptions};

/// Where to listen, and against what to hold out.
#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    /// `--bind`. Default: `127.0.0.1:8001`.
    pub(crate) bind: String,
    /// `[health] path_prefix`. Default: empty, so `/healthz` and `/readyz`.
    pub(crate) health_path_prefix: String,
    pub(crate) limits: LimitOptions,
    /// `[server] drain_seconds`: over what time sockets are closed when the process stops. Default: 20 s.
    pub(crate) drain: Duration,
    /// `[server] handover`: the Unix socket by which a new process takes over the listening one. Default: none.
    pub(crate) handover: Option<PathBuf>,
    /// `[server] tls_certificate` and `tls_key`. Default: none, plain HTTP.
    pub(crate) tls: Option<TlsOptions>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:8001".to_owned(),
            health_path_prefix: String::new(),
            limits: LimitOptions::default(),
            drain: Duration::from_secs(20),
            handover: None,
            tls: None,
        }
    }
}

/// `[limits]`. On by default only what no legitimate client can meet.
#[derive(Clone, Debug)]
pub(crate) struct LimitOptions {
    /// `header_bytes`: request line and headers together. Default: 64 KiB, as uvicorn's h11.
    pub(crate) header_bytes: usize,
    /// `url_bytes`. Default: 16 KiB.
    pub(crate) url_bytes: usize,
    /// `handshake_timeout`: how long a client may take to send its request's head. Default: 10 s.
    pub(crate) handshake_timeout: Duration,
    /// `send_timeout`: how long a client may take no byte of an answer. Default: 60 s, as nginx.
    pub(crate) send_timeout: Duration,
    /// `connections`: in all. Default: from the file-descriptor limit.
    pub(crate) connections: Option<usize>,
    /// `connections_per_user`. Default: unlimited.
    pub(crate) connections_per_user: Option<usize>,
    /// `connections_per_address`. Default: unlimited; needs `trusted_proxies`.
    pub(crate) connections_per_address: Option<usize>,
    /// What a crowd of clients waits for.
    pub(crate) admission: AdmissionOptions,
    /// `trusted_proxies`: whose `X-Forwarded-For` counts. `None`: not stated.
    pub(crate) trusted_proxies: Option<Vec<(IpAddr, u8)>>,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            url_bytes: 16 * 1024,
            handshake_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_mins(1),
            connections: None,
            connections_per_user: None,
            connections_per_address: None,
            admission: AdmissionOptions::default(),
            trusted_proxies: None,
        }
    }
}
