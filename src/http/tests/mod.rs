//! The whole server between a client that writes bytes and an upstream that records them.

mod failures;
mod passing;
mod smuggling;
mod streaming;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::{
    HttpParts, HttpState, router,
    vectors::{overlay, stores::counted_requests},
};
use crate::{
    access_token::Verifier,
    server::{Server, ServerOptions, Site},
    upstream::{Address, Forwarding, Upstream, UpstreamOptions},
    websocket::tests::{Client, Setup},
};

/// Longer than anything takes that is to happen.
const LONG: Duration = Duration::from_secs(20);

/// A running server.
struct Gate {
    address: SocketAddr,
    task: JoinHandle<()>,
    _site: watch::Sender<Arc<Site<axum::Router>>>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gate {
    /// In front of one server.
    async fn before(upstream: &Address) -> Self {
        Self::start(UpstreamOptions::new(vec![upstream.clone()]), Forwarding::default()).await
    }

    async fn start(upstream: UpstreamOptions, forwarding: Forwarding) -> Self {
        let mut setup = Setup::new();
        let upstream = Upstream::start(upstream);
        setup.upstream = Some(Arc::clone(&upstream));
        let (mut options, access_token) = overlay::base("a key of the tests that is long enough for HS256");
        options.views[0].pattern = r"^ticket/\Z".to_owned();
        options.allowed_hosts = vec!["*".to_owned()];
        let state = HttpState::new(HttpParts {
            needs: crate::ticket::Needs::default(),
            ask_paths: crate::consumer::ask::OwnPaths::default(),
            gate: crate::admission::Gates::default().tickets,
            options,
            verifier: Arc::new(Verifier::new(access_token).unwrap()),
            users: setup.users.clone(),
            tickets: setup.tickets.clone(),
            throttles: counted_requests(),
            upstream: Some(upstream),
            forwarding: Arc::new(forwarding),
            layer: None,
            health_path_prefix: String::new(),
            metrics: Arc::default(),
        });
        let (state, websocket) = (state.unwrap(), Arc::clone(&setup.site().websocket));
        let site = Site { health: state.health(), http: router(state), websocket, layer: None };
        let options =
            ServerOptions { bind: "127.0.0.1:0".to_owned(), limits: setup.limits.clone(), ..ServerOptions::default() };
        let server = Server::bind(&options, Arc::default()).await.unwrap();
        let address = server.address();
        let (site, receiver) = watch::channel(Arc::new(site));
        let task = tokio::spawn(server.serve(receiver, crate::server::Stopper::default()));
        Self { address, task, _site: site }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// What comes back, to its end, for bytes on a connection of their own.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut client = self.connect().await;
        // An error: it was refused before all was sent.
        let _ = client.0.write_all(bytes).await;
        rest(&mut client).await
    }
}

/// Everything up to the end of the connection.
async fn rest(client: &mut Client) -> String {
    let mut answer = Vec::new();
    // An error: the connection was reset behind the answer.
    let _ = timeout(LONG, client.0.read_to_end(&mut answer)).await.expect("the connection is closed");
    String::from_utf8(answer).unwrap()
}

/// What the connections of an upstream have read, in the order in which they were accepted.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// An upstream that records what reaches it.
struct Recorder {
    address: Address,
    seen: Seen,
    task: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Recorder {
    /// Treats each connection as `serve` says.
    async fn start<F>(serve: impl Fn(Connection) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        let seen = Seen::default();
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Connection::new(stream, &record)));
            }
        });
        Self { address, seen, task }
    }

    /// On a Unix socket.
    fn on_socket(path: std::path::PathBuf) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let seen = Seen::default();
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Connection::new(stream, &record).answer_all("200 OK", "ok"));
            }
        });
        Self { address: Address::Unix(path), seen, task }
    }

    /// Reads each request to its end and answers it with 200.
    async fn ordinary() -> Self {
        Self::start(|connection| connection.answer_all("200 OK", "ok")).await
    }

    /// Everything read so far, a text for each connection. Without `traceparent`, which is another for each request and
    /// the last header of its own; that it is there is checked here.
    fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|bytes| without_trace(&String::from_utf8_lossy(bytes))).collect()
    }

    /// The requests' first lines, of all connections.
    fn requests(&self) -> Vec<String> {
        let all = self.seen().concat();
        all.lines().filter(|line| line.ends_with(" HTTP/1.1")).map(str::to_owned).collect()
    }
}

fn without_trace(seen: &str) -> String {
    let mut lines = Vec::new();
    for line in seen.split_inclusive("\r\n") {
        match line.strip_prefix("traceparent: ") {
            Some(trace) => assert_eq!(trace.len(), "00-".len() + 32 + "-".len() + 16 + "-01\r\n".len(), "{trace}"),
            None => lines.push(line),
        }
    }
    lines.concat()
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection to the upstream.
struct Connection {
    stream: Box<dyn Bytes>,
    seen: Seen,
    index: usize,
    /// How much of what was seen has been read as requests.
    read: usize,
}

impl Connection {
    fn new(stream: impl Bytes + 'static, seen: &Seen) -> Self {
        let mut all = seen.lock().unwrap();
        all.push(Vec::new());
        Self { stream: Box::new(stream), seen: Arc::clone(seen), index: all.len() - 1, read: 0 }
    }

    /// Reads once; whether something came.
    async fn read_more(&mut self) -> bool {
        let mut bytes = vec![0; 64 * 1024];
        let read = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.seen.lock().unwrap()[self.index].extend_from_slice(&bytes[..read]);
        read > 0
    }

    /// What was seen up to and with `end`, behind what was read before; `None` at the end of the connection.
    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            {
                let seen = self.seen.lock().unwrap();
                let bytes = &seen[self.index][self.read..];
                if let Some(at) = bytes.windows(end.len()).position(|window| window == end.as_bytes()) {
                    let text = String::from_utf8_lossy(&bytes[..at + end.len()]).into_owned();
                    self.read += at + end.len();
                    return Some(text);
                }
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// The next request with its body, as an unsuspecting server finds its end.
    async fn request(&mut self) -> Option<String> {
        let mut request = self.until("\r\n\r\n").await?;
        let head = request.to_ascii_lowercase();
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            request.push_str(&self.until("0\r\n\r\n").await?);
        } else if let Some((_, rest)) = head.split_once("\r\ncontent-length: ") {
            let length: usize = rest.lines().next()?.parse().unwrap();
            while self.seen.lock().unwrap()[self.index].len() < self.read + length {
                if !self.read_more().await {
                    return None;
                }
            }
            let body = self.seen.lock().unwrap()[self.index][self.read..self.read + length].to_vec();
            self.read += length;
            request.push_str(&String::from_utf8_lossy(&body));
        }
        Some(request)
    }

    async fn write(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    async fn answer_all(mut self, status: &'static str, body: &'static str) {
        while self.request().await.is_some() {
            let length = body.len();
            self.write(&format!("HTTP/1.1 {status}\r\nserver: raw\r\ncontent-length: {length}\r\n\r\n{body}")).await;
        }
    }
}

/// Waits until `is_so`.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, wait).await.expect("it comes");
}
