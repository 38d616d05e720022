//! `health_path`: asks each server how it is.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use http::{HeaderValue, Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Address, Stream, Upstream, server::Server};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the servers of `upstream` at each `health_interval`, until it is dropped; not without a `health_path`.
pub(super) fn watch_health(upstream: &Arc<Upstream>) {
    let Some(path) = upstream.options.health_path.clone() else { return };
    let host = upstream.options.health_host.clone();
    let mut ticks = interval(upstream.options.health_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let upstream = Arc::downgrade(upstream);
    tokio::spawn(async move {
        loop {
            ticks.tick().await;
            let Some(upstream) = upstream.upgrade() else { return };
            let ask = async |server: &Arc<Server>| {
                let host = host.clone().unwrap_or_else(|| own_name(&server.address));
                let answer = ask(&server.address, &host, &path);
                let health = timeout(upstream.options.connect_timeout + PATIENCE, answer).await;
                server.set_health(&health.unwrap_or_else(|late| Err(late.into())));
            };
            join_all(upstream.servers.iter().map(ask)).await;
        }
    });
}

/// `GET path` on a connection of its own: 2xx or 3xx.
async fn ask(address: &Address, host: &str, path: &str) -> io::Result<()> {
    let stream = Stream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    // The connection ends once nothing holds its sender and its answer any more.
    let answer = async move { sender.send_request(request).await.map(|answer| answer.status()) };
    let (status, _) = join(answer, connection).await;
    let status = status.map_err(io::Error::other)?;
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(io::Error::other(format!("{path} was answered with {}", status.as_u16())))
}

/// A `Host` for requests of our own, where `ALLOWED_HOSTS` names none.
pub(super) fn own_name(address: &Address) -> String {
    match address {
        Address::Tcp { host, port: 80 } => host.clone(),
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
