//! Logs: to stderr, as text or JSON. `RUST_LOG` filters.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What a server says: its own events; sqlx, hyper and rustls only where something is wrong.
const SERVER: &str = "info,sqlx=warn,hyper=warn,rustls=warn";
/// What a command says that prints its own results.
const COMMAND: &str = "warn";

/// Starts logging for a server.
pub(super) fn start(json: bool) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(SERVER))
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    // A second start in one process changes nothing.
    drop(if json { builder.json().try_init() } else { builder.try_init() });
}

/// Starts logging for a command: warnings and errors.
pub(super) fn start_quiet() {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(COMMAND))
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    drop(builder.try_init());
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
