//! The listener of the admin address: few connections, short patience, and nothing that the sockets wait for.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tower_service::Service;

use super::{board::Board, router::router};
use crate::{
    server::{Listening, PatientStream},
    upstream::Stream,
};

/// Connections at a time: a scraper, probes, and some open pages.
const MOST_CONNECTIONS: usize = 128;
const MOST_HEADERS: usize = 100;
const HEAD_BYTES: usize = 32 * 1024;
/// How long a client may take to send the head of its next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take no byte of an answer.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// How long to wait where the process or the machine is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(200);
/// How long who has just connected may take to say what they want, once it stops: a probe's request is on its way.
const FIRST_WORDS: Duration = Duration::from_millis(500);
/// How long the last answers may take.
const GRACE: Duration = Duration::from_secs(1);

/// A bound admin address that does not accept yet.
#[derive(Debug)]
pub(crate) struct AdminServer {
    listening: Listening,
}

/// An admin address that answers.
#[derive(Debug)]
pub(crate) struct RunningAdmin {
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl AdminServer {
    /// For what comes in at `listening`.
    pub(crate) const fn new(listening: Listening) -> Self {
        Self { listening }
    }

    /// Where it listens, with the real port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Answers from `board`, until it is stopped.
    pub(crate) fn start(self, board: Arc<Board>) -> RunningAdmin {
        let (stop, stopped) = watch::channel(());
        RunningAdmin { stop, task: tokio::spawn(self.serve(board, stopped)) }
    }

    async fn serve(self, board: Arc<Board>, stopped: watch::Receiver<()>) {
        let router = router(Arc::clone(&board));
        let listener = self.listening.into_listener();
        let mut connections = JoinSet::new();
        {
            let mut sampling = pin!(board.sample());
            let mut stop = stopped.clone();
            loop {
                tokio::select! {
                    _ = stop.changed() => break,
                    () = &mut sampling => {}
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                    accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                        Ok((stream, peer)) => {
                            connections.spawn(serve_connection(stream, peer, router.clone(), stopped.clone()));
                        }
                        Err(error) => {
                            tracing::debug!(%error, "the admin address cannot accept for the moment");
                            tokio::time::sleep(PAUSE).await;
                        }
                    },
                }
            }
        }
        drop((listener, stopped));
        let ended = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::debug!(connections = connections.len(), "connections to the admin address are dropped");
        }
    }
}

impl RunningAdmin {
    /// Stops listening, and lets requests finish for a moment.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(());
        // It is not aborted, and has no reason to panic.
        let _ = self.task.await;
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, mut stopped: watch::Receiver<()>) {
    // An error is the connection's own, and found by reading it.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MOST_HEADERS)
        .max_buf_size(HEAD_BYTES);
    let stream = TokioIo::new(PatientStream::new(Stream::Tcp(stream), SEND_TIMEOUT));
    let has_asked = AtomicBool::new(false);
    let service = service_fn(|mut request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Peer(peer.ip()));
        router.clone().call(request)
    });
    let mut http = pin!(builder.serve_connection(stream, service));
    let result = tokio::select! {
        result = &mut http => result,
        () = told_to_end(&mut stopped, &has_asked) => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, client.address = %peer.ip(), "connection to the admin address ended");
    }
}

/// Ready when this stops; where nothing was asked yet, a moment later.
async fn told_to_end(stopped: &mut watch::Receiver<()>, has_asked: &AtomicBool) {
    // The sender is dropped when all has ended.
    let _ = stopped.changed().await;
    if !has_asked.load(Ordering::Relaxed) {
        tokio::time::sleep(FIRST_WORDS).await;
    }
}
