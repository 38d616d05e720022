//! HTTP requests to one server, over connections that are used again.

use std::{
    error::Error,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connected, Connection, capture_connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

use super::{
    ConnectError, MAX_HEADERS, Stream,
    server::Server,
    upload::{Source, Upload},
};

/// How long a connection may be idle and still be used: gunicorn closes it after 2 s, uvicorn after 5 s, and what is sent
/// while it closes is lost.
const IDLE: Duration = Duration::from_millis(1500);
/// Head and buffered body of an answer.
const BUFFER: usize = 128 * 1024;

/// The connections to one server.
#[derive(Debug)]
pub(super) struct HttpClient(legacy::Client<Connector, Upload>);

/// Why a server gave no answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// Nothing was sent.
    Connect(Box<dyn Error + Send + Sync>),
    /// The connection broke, or what came is no HTTP. `reused`: it had served before, so that the server may have closed
    /// it just when the request was sent.
    Broken { error: legacy::Error, reused: bool },
    /// The head of the answer did not come in time.
    Late,
}

impl HttpClient {
    pub(super) fn new(server: Weak<Server>) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .set_host(false)
            .http1_max_buf_size(BUFFER)
            .http1_max_headers(MAX_HEADERS);
        Self(builder.build(Connector(server)))
    }

    /// Sends a request with `body` and waits for the head of its answer, for as long as `patience` from when a connection
    /// is there, or from when a part of the body was last passed on.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
        body: &Source,
        patience: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        let mut connection = capture_connection(&mut request);
        let mut answer = pin!(self.0.request(request));
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            // Bounded by the time for connecting.
            () = async { drop(connection.wait_for_connection_metadata().await) } => in_time(body, patience, answer).await?,
        };
        match answer {
            Ok(answer) => {
                if let Some(Used(used)) = answer.extensions().get() {
                    used.store(true, Ordering::Relaxed);
                }
                Ok(answer)
            }
            Err(error) if error.is_connect() => Err(SendError::Connect(error.into())),
            Err(error) => {
                let mut extensions = Extensions::new();
                if let Some(connection) = error.connect_info() {
                    connection.get_extras(&mut extensions);
                }
                let reused = extensions.get().is_some_and(|Used(used)| used.load(Ordering::Relaxed));
                Err(SendError::Broken { error, reused })
            }
        }
    }
}

async fn in_time<T>(
    body: &Source,
    patience: Duration,
    mut answer: impl Future<Output = T> + Unpin,
) -> Result<T, SendError> {
    let mut deadline = Instant::now() + patience;
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer),
            () = sleep_until(deadline) => {}
        }
        match body.moved().map(|moved| moved + patience) {
            Some(extended) if extended > deadline => deadline = extended,
            _ => return Err(SendError::Late),
        }
    }
}

/// Whether a connection has brought an answer before.
#[derive(Clone, Debug, Default)]
struct Used(Arc<AtomicBool>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(Used::default())
    }
}

/// Connects to its server, whatever the URI says.
#[derive(Clone, Debug)]
struct Connector(Weak<Server>);

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let server = self.0.clone();
        Box::pin(async move {
            let server = server.upgrade().ok_or(ConnectError::NoServer)?;
            server.connect().await.map(TokioIo::new)
        })
    }
}
