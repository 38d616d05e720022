//! The accept loop on hyper: time-outs, sizes, limits; the upgrade.
//!
//! A process holds as many connections as its file descriptors allow. At that limit it stops accepting until one is
//! gone; those that wait in the kernel's queue wait there. Nothing that is open suffers.

mod client_address;
mod descriptors;
mod dispatch;
mod drain;
mod handover;
mod listening;
mod options;
mod patient_stream;
mod secure;
mod stop;

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Either;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower_service::Service;

use crate::{
    channel_layer::ChannelLayer,
    http::Health,
    metrics::Metrics,
    tls::TlsAcceptor,
    upstream::Stream,
    websocket::{self, OpenSockets, Registry, WebSocketSite},
};
use dispatch::{ClientConnection, dispatch};
use drain::Connections;
use secure::secure;

pub(crate) use handover::{Handover, Offer, Takeover, take};
pub(crate) use listening::{Given, Listening, checked};
pub(crate) use options::{LimitOptions, ServerOptions};
pub(crate) use patient_stream::PatientStream;
pub(crate) use stop::{Stop, Stopper};

/// Headers of one request: uvicorn counts only their bytes, as `header_bytes` does; hyper needs a number.
const MAX_HEADERS: usize = 1000;
/// How long who has just connected may take to say what they want, once the server stops.
const FIRST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait where the process or the machine is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(200);
/// How exact the sockets' shared timer is.
const TIMER_RESOLUTION: Duration = Duration::from_millis(250);

/// Everything that requests are answered by. A reload of the settings puts a new one in place for the requests that
/// come from then on.
pub(crate) struct Site<S> {
    /// What is no WebSocket handshake.
    pub(crate) http: S,
    pub(crate) websocket: Arc<WebSocketSite>,
    /// What `/readyz` asks.
    pub(crate) health: Arc<Health>,
    /// Where a route uses it.
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
}

/// What a request that is no handshake is answered by: an axum router, or a test's function.
pub(crate) trait HttpService<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<B, S> HttpService<B> for S where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// How many sockets a process with so many file descriptors admits.
pub(crate) fn most_sockets(descriptors: u64) -> usize {
    descriptors::most_sockets(descriptors::most_connections(descriptors))
}

/// A bound server that does not accept yet.
#[derive(Debug)]
pub(crate) struct Server {
    listening: Listening,
    limits: LimitOptions,
    /// Over what time the sockets are closed at the end.
    drain: Duration,
    permits: Arc<Semaphore>,
    most: usize,
    open: Arc<OpenSockets>,
    tls: Option<Arc<TlsAcceptor>>,
}

impl Server {
    /// On a socket of its own.
    #[cfg(test)]
    pub(crate) async fn bind(options: &ServerOptions, metrics: Arc<Metrics>) -> io::Result<Self> {
        Ok(Self::new(Listening::open(&options.bind, None, None).await?, options, metrics))
    }

    /// For what comes in at `listening`. Raises the limit of file descriptors as far as it goes.
    pub(crate) fn new(listening: Listening, options: &ServerOptions, metrics: Arc<Metrics>) -> Self {
        let most = descriptors::most_connections(descriptors::raise_limit());
        let open = OpenSockets::new(Registry::new(TIMER_RESOLUTION), descriptors::most_sockets(most), metrics);
        Self {
            listening,
            limits: options.limits.clone(),
            drain: options.drain,
            permits: Arc::new(Semaphore::new(most)),
            most,
            open: Arc::new(open),
            tls: None,
        }
    }

    /// Speaks TLS by `tls`, where there is one.
    pub(crate) fn with_tls(self, tls: Option<Arc<TlsAcceptor>>) -> Self {
        Self { tls, ..self }
    }

    /// Where it listens, with the real port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// How long it may take from the first word of an end to the last.
    pub(crate) fn longest_stop(&self, close_timeout: Duration) -> Duration {
        self.drain + drain::longest(close_timeout)
    }

    /// The sockets of this process.
    pub(crate) fn sockets(&self) -> Arc<OpenSockets> {
        Arc::clone(&self.open)
    }

    /// Serves until `stop` asks for an end; then accepts no more, closes the sockets with 1012 and lets requests finish,
    /// within a bounded time. Where another process serves already, those who connected here are admitted still.
    pub(crate) async fn serve<S, B>(self, site: watch::Receiver<Arc<Site<S>>>, stop: Stopper)
    where
        S: HttpService<B>,
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Self { listening, limits, drain, permits, most, open, tls } = self;
        let is_kept = listening.is_kept();
        let listener = listening.into_listener();
        let registry = Arc::clone(&open.registry);
        let timer = tokio::spawn(async move { registry.run().await });
        let revocation = tokio::spawn(websocket::watch(Arc::clone(&open)));
        let current = site.clone();
        open.follow(move || Arc::clone(&current.borrow().websocket));
        let (end, ended) = watch::channel(false);
        let undecided = Arc::new(());
        let close_timeout = site.borrow().websocket.close_timeout();
        let begin = |(stream, peer, permit): Accepted| {
            let connection = ClientConnection::new(&stream, peer, tls.is_some(), permit);
            let state = dispatch::Shared { site: site.clone(), open: Arc::clone(&open) };
            let ended = Ended { ended: ended.clone(), undecided: Arc::clone(&undecided) };
            tokio::spawn(serve_connection(stream, tls.clone(), connection, state, limits.clone(), ended));
        };
        {
            let mut stopped = pin!(stop.reaches(Stop::HandedOver));
            while let Some(accepted) = tokio::select! {
                accepted = accept(&listener, &permits) => Some(accepted),
                () = &mut stopped => None,
            } {
                begin(accepted);
            }
        }
        let is_handed_over = stop.asked() == Stop::HandedOver;
        if is_handed_over {
            open.succeeded();
        } else {
            open.stop_admitting();
        }
        if is_kept || is_handed_over {
            // Who waits is accepted by another process.
            drop(listener);
        } else {
            // Who has connected is answered.
            waiting(listener, &permits).for_each(begin);
        }
        drop((ended, site));
        end.send_replace(true);
        let connections = Connections { permits, most, undecided };
        drain::drain(&open, &connections, drain, close_timeout, &stop).await;
        timer.abort();
        revocation.abort();
    }
}

/// A connection, and its place among those that the process may hold.
type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// How a connection hears that the server stops, and how that hears what is still to be decided.
struct Ended {
    ended: watch::Receiver<bool>,
    /// Held by each connection until it has asked for something, and by each handshake until it is answered.
    undecided: Arc<()>,
}

/// The next connection, once the process may hold one more. Never fails: what cannot be accepted is waited for.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Accepted {
    loop {
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { std::future::pending().await };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for the moment");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connections that wait in the kernel's queue when the listener is about to be closed, as far as the process may hold
/// them. The system is asked, and not what the runtime has seen of it so far.
fn waiting(listener: TcpListener, permits: &Arc<Semaphore>) -> impl Iterator<Item = Accepted> {
    let mut listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        loop {
            let permit = Arc::clone(permits).try_acquire_owned().ok()?;
            match listener.as_ref()?.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true).ok()?;
                    return Some((TcpStream::from_std(stream).ok()?, peer, permit));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => listener = None,
            }
        }
    })
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// One connection's requests, up to its end or its upgrade.
async fn serve_connection<S, B>(
    stream: TcpStream,
    tls: Option<Arc<TlsAcceptor>>,
    connection: ClientConnection,
    shared: dispatch::Shared<S>,
    limits: LimitOptions,
    stopped: Ended,
) where
    S: HttpService<B>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Small frames are not held back. An error is the connection's own, and found by reading it.
    let _ = stream.set_nodelay(true);
    let Ended { ended: mut stopped, undecided } = stopped;
    let decision = Arc::downgrade(&undecided);
    let undecided = Mutex::new(Some(undecided));
    let stream = match tls {
        None => Stream::Tcp(stream),
        Some(tls) => {
            // Boxed, since the room is needed no longer than the handshake takes.
            let secured = Box::pin(secure(stream, &tls, connection.peer, limits.handshake_timeout));
            let secured = tokio::select! {
                secured = secured => secured,
                () = told_to_end(&mut stopped, &undecided) => None,
            };
            let Some(stream) = secured else { return };
            stream
        }
    };
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.handshake_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(limits.header_bytes.max(descriptors::SMALLEST_HEADER_BUFFER));
    let url_bytes = limits.url_bytes;
    let stream = PatientStream::new(stream, limits.send_timeout);
    drop(limits);
    let service = service_fn(|request: Request<Incoming>| {
        let first = undecided.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_handshake = websocket::is_upgrade(request.headers());
        let undecided = is_handshake.then(|| first.or_else(|| decision.upgrade()));
        let (connection, shared) = (connection.clone(), shared.clone());
        async move {
            let answer = dispatch(connection, shared, url_bytes, request).await;
            drop(undecided);
            Ok::<Response<Either<B, _>>, Infallible>(answer)
        }
    });
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let result = tokio::select! {
        result = &mut http => result,
        () = told_to_end(&mut stopped, &undecided) => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, client.address = %connection.peer.ip(), "connection ended");
    }
}

/// Ready when the server stops; where nothing was asked yet, a moment later, since hyper would not hear it any more.
async fn told_to_end(stopped: &mut watch::Receiver<bool>, undecided: &Mutex<Option<Arc<()>>>) {
    // The sender is dropped when all has ended.
    let _ = stopped.wait_for(|ended| *ended).await;
    if undecided.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
        tokio::time::sleep(FIRST_WORDS).await;
    }
}

#[cfg(test)]
mod tests;
