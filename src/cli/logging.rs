//! Logs: to stderr, as text or JSON. `RUST_LOG` filters, default `info`.

use std::io;

use tracing_subscriber::EnvFilter;

/// Starts logging. A second start in one process changes nothing.
pub(super) fn start(json: bool) {
    // sqlx logs statements, hyper and rustls their own insides: none of it is for this log.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = if json { builder.json().try_init() } else { builder.try_init() };
    drop(started);
}
