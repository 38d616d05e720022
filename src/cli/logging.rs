//! Logs: to stderr, as text or JSON. `RUST_LOG` filters.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What a server says: its own events; sqlx, hyper and rustls only where something is wrong.
const SERVER: &str = "info,sqlx=warn,hyper=warn,rustls=warn";
/// What a command says that prints its own results, which tell why Redis does not answer: not each attempt besides.
const COMMAND: &str = "warn,sluicegate::redis=error,sluicegate::channel_layer=error";

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

/// Starts logging for a command: errors, and warnings that its own results do not tell.
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::{
        app::try_once,
        channel_layer::{self, ChannelLayerOptions, Host},
    };

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged while a layer is tried whose Redis is away.
    async fn logged(filter: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let options = ChannelLayerOptions { hosts: vec![Host::new("127.0.0.1", 1)], ..ChannelLayerOptions::default() };
        let layer = channel_layer::open(&options).unwrap();
        assert!(try_once(layer.as_ref(), Duration::from_millis(300)).await.is_err());
        tracing::warn!("something else");
        layer.close().await;
        let written = written.0.lock().unwrap();
        String::from_utf8(written.clone()).unwrap()
    }

    #[tokio::test]
    async fn a_command_that_says_that_redis_is_away_does_not_log_each_attempt() {
        let said = logged(COMMAND).await;
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("something else"), "{said}");
        let by_a_server = logged(SERVER).await;
        assert!(by_a_server.lines().count() > 2 && by_a_server.contains("no connection to Redis"), "{by_a_server}");
    }
}
