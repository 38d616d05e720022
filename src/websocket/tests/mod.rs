//! A server with fakes behind it, and a client that speaks bytes.

mod admission;
mod closing;
mod compression;
mod consumers;
mod frames;
mod handshake;
mod keepalive;
mod memory;
mod proxy;
mod reasons;
mod revocation;
mod slow_clients;
mod vectors;

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{OpenSockets, WebSocketOptions, WebSocketParts, WebSocketSite, route::Route};
use crate::{
    admission::Gates,
    channel_layer::ChannelLayer,
    consumer::{
        Application, DeclaredAction, DeclaredOptions, DeclaredOutput, DeclaredReceive, OutboxOptions, RouteKind,
        RouteOptions, RoutePattern,
    },
    http::Health,
    python::{self, Value},
    server::{LimitOptions, Server, ServerOptions, Site, Stop, Stopper},
    ticket::{Needs, Redeemed, Ticket, TicketStore, TicketStoreError},
    tls::{self, TlsAcceptor},
    upstream::Upstream,
    user::{User, UserId, UserStore, UserStoreError},
};

pub(crate) const TICKET: &str = "0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b";
pub(crate) const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
/// Longer than anything takes that is to happen.
const LONG: Duration = Duration::from_secs(20);

/// Tickets in memory.
#[derive(Default)]
pub(crate) struct FakeTickets {
    /// `None`: a value that cannot be read, which is taken out like any other.
    pub(crate) stored: Mutex<HashMap<String, Option<Value>>>,
    pub(crate) companions: Mutex<HashMap<String, String>>,
    pub(crate) is_down: Mutex<bool>,
}

impl FakeTickets {
    pub(crate) fn put(&self, ticket: &str, value: Value) {
        self.stored.lock().unwrap().insert(ticket.to_owned(), Some(value));
    }

    pub(crate) fn holds(&self, ticket: &str) -> bool {
        self.stored.lock().unwrap().contains_key(ticket)
    }
}

#[async_trait]
impl TicketStore for FakeTickets {
    async fn issue(&self, ticket: Ticket, value: &Value, _: Duration) -> Result<(), TicketStoreError> {
        self.put(&ticket.expose(), value.clone());
        Ok(())
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        if *self.is_down.lock().unwrap() {
            return Err(TicketStoreError::Unavailable("down".into()));
        }
        tokio::task::yield_now().await;
        Ok(self.stored.lock().unwrap().remove(&ticket.expose()).flatten())
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        self.companions.lock().unwrap().insert(ticket.expose(), companion.to_owned());
        self.issue(ticket, value, lifetime).await
    }

    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        let value = self.redeem(ticket).await?;
        let companion = self.companions.lock().unwrap().remove(&ticket.expose());
        Ok(value.map(|value| Redeemed { value, companion }))
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        Ok(())
    }
}

/// Users with integer keys, looked up as Django does.
#[derive(Default)]
pub(crate) struct FakeUsers {
    pub(crate) rows: Mutex<Vec<(i64, &'static str, bool)>>,
    /// Of everybody.
    pub(crate) password: Mutex<&'static str>,
    pub(crate) blacklist: Mutex<Vec<&'static str>>,
    pub(crate) is_down: Mutex<bool>,
}

#[async_trait]
impl UserStore for FakeUsers {
    async fn by_claim(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        Ok(None)
    }

    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
        if *self.is_down.lock().unwrap() {
            return Err(UserStoreError::Unavailable("down".into()));
        }
        let Ok(Value::Int(id)) = python::int(value) else { return Err(UserStoreError::Unconvertible) };
        let rows = self.rows.lock().unwrap();
        Ok(rows.iter().find(|row| row.0 == id).map(|&(id, username, is_active)| User {
            id: UserId::Int(id),
            username: Some(username.to_owned()),
            is_active,
            password: crate::Secret::new(*self.password.lock().unwrap()),
            fields: Box::default(),
        }))
    }

    async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
        Ok(None)
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        Ok(self.blacklist.lock().unwrap().contains(&jti))
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        Ok(())
    }
}

/// What stands for the HTTP side: 404 with a text.
#[derive(Clone)]
pub(crate) struct FakeHttp;

impl tower_service::Service<Request<Incoming>> for FakeHttp {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        let mut response = Response::new(Full::new(Bytes::from_static(b"ordinary HTTP")));
        *response.status_mut() = StatusCode::NOT_FOUND;
        ready(Ok(response))
    }
}

/// What a test's server is made of.
pub(crate) struct Setup {
    pub(crate) websocket: WebSocketOptions,
    pub(crate) limits: LimitOptions,
    pub(crate) routes: Vec<RouteOptions>,
    pub(crate) applications: Vec<(RoutePattern, Arc<dyn Application>)>,
    pub(crate) tickets: Arc<FakeTickets>,
    pub(crate) users: Arc<FakeUsers>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
    pub(crate) needs: Needs,
    /// Under TLS, the clients come through a tunnel that speaks it for them.
    pub(crate) tls: Option<Arc<TlsAcceptor>>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let users = FakeUsers::default();
        users.rows.lock().unwrap().extend([
            (1, "alice", true),
            (2, "bob", false),
            (3, "carol", true),
            (12, "erin", true),
        ]);
        Self {
            websocket: WebSocketOptions::default(),
            limits: LimitOptions::default(),
            routes: vec![declared("ws/chat/", serde_json::json!("{{ content }}"))],
            applications: Vec::new(),
            tickets: Arc::default(),
            users: Arc::new(users),
            upstream: None,
            layer: None,
            needs: Needs::default(),
            tls: None,
        }
    }

    pub(crate) fn site(&self) -> Arc<Site<FakeHttp>> {
        let tickets: Arc<dyn TicketStore> = self.tickets.clone();
        let users: Arc<dyn UserStore> = self.users.clone();
        let health = Health::new(Arc::clone(&users), Arc::clone(&tickets), None, None);
        let parts = WebSocketParts {
            needs: self.needs,
            options: self.websocket.clone(),
            limits: self.limits.clone(),
            tickets,
            users,
            upstream: self.upstream.clone(),
            forwarding: Arc::default(),
            layer: self.layer.clone(),
            asks: Arc::default(),
            gates: Arc::new(Gates::new(&self.limits.admission)),
            metrics: Arc::default(),
        };
        let mut websocket = WebSocketSite::build(parts, &self.routes).unwrap();
        for (pattern, application) in &self.applications {
            websocket.insert(Route::compile(pattern).unwrap(), Arc::clone(application));
        }
        Arc::new(Site {
            http: FakeHttp,
            websocket: Arc::new(websocket),
            health: Arc::new(health),
            layer: self.layer.clone(),
        })
    }

    pub(crate) async fn start(self) -> TestServer {
        let options =
            ServerOptions { bind: "127.0.0.1:0".to_owned(), limits: self.limits.clone(), ..ServerOptions::default() };
        let server = Server::bind(&options, Arc::default()).await.unwrap().with_tls(self.tls.clone());
        let (direct, open) = (server.address(), server.sockets());
        let mut address = direct;
        if self.tls.is_some() {
            address = tls::tests::tunnel(address).await;
        }
        let (site, receiver) = watch::channel(self.site());
        let (stop, stopped) = oneshot::channel::<()>();
        let asked = Stopper::default();
        let task = tokio::spawn(server.serve(receiver, asked.clone()));
        tokio::spawn(async move {
            let _ = stopped.await;
            asked.raise(Stop::Spread);
        });
        TestServer { address, direct, open, site, stop: Some(stop), task, setup: self }
    }
}

/// A declared route that answers every frame.
pub(crate) fn declared(path: &str, reply: serde_json::Value) -> RouteOptions {
    let reply = Some(DeclaredOutput::Json(reply));
    let rule =
        DeclaredReceive { action: DeclaredAction { reply, ..DeclaredAction::default() }, ..DeclaredReceive::default() };
    let kind = RouteKind::Declared(Box::new(DeclaredOptions { receive: vec![rule], ..DeclaredOptions::default() }));
    RouteOptions::new(RoutePattern::Path(path.to_owned()), kind)
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    /// Without the tunnel of a server under TLS.
    pub(crate) direct: SocketAddr,
    pub(crate) open: Arc<OpenSockets>,
    pub(crate) site: watch::Sender<Arc<Site<FakeHttp>>>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
    pub(crate) setup: Setup,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// A TCP connection.
    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// A handshake with a fresh ticket of user 1.
    pub(crate) async fn handshake(&self, path: &str) -> (Client, Answer) {
        let ticket = Ticket::new().expose();
        self.setup.tickets.put(&ticket, Value::Int(1));
        let mut client = self.connect().await;
        let answer = client.handshake(&format!("{path}?uuid={ticket}"), &[]).await;
        (client, answer)
    }

    /// An open socket of user 1.
    pub(crate) async fn socket(&self, path: &str) -> Client {
        let (client, answer) = self.handshake(path).await;
        assert_eq!(answer.status, 101, "{}", answer.body);
        client
    }

    /// Waits until all sockets are gone.
    pub(crate) async fn emptied(&self) {
        timeout(LONG, self.open.registry.emptied()).await.unwrap();
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    /// The `code` of a refusal.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["code"].as_str().unwrap().to_owned()
    }
}

/// What a server sent, or a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Frame { first: u8, payload: Vec<u8> },
    Eof,
    Reset,
}

impl Seen {
    pub(crate) fn text(text: &str) -> Self {
        Self::Frame { first: 0x81, payload: text.into() }
    }

    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::Frame { first: 0x8a, payload: payload.into() }
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Frame { first: 0x88, payload: [&code.to_be_bytes(), reason.as_bytes()].concat() }
    }

    pub(crate) const fn empty_close() -> Self {
        Self::Frame { first: 0x88, payload: Vec::new() }
    }
}

/// A client that sends what it is told to.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn handshake(&mut self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(&request(target, headers)).await;
        self.answer().await
    }

    /// Reads an answer's head and, by its length, its body.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(LONG, self.0.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap();
        let lines = headers.lines().filter_map(|line| line.split_once(": "));
        let headers: HashMap<_, _> = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { status: status[9..12].parse().unwrap(), headers, body: String::from_utf8(body).unwrap() }
    }

    pub(crate) async fn see(&mut self) -> Seen {
        timeout(LONG, self.try_see()).await.expect("nothing came")
    }

    async fn try_see(&mut self) -> Seen {
        let mut head = [0; 2];
        match self.0.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Seen::Eof,
            Err(_) => return Seen::Reset,
        }
        let length = match head[1] & 0x7f {
            126 => usize::from(self.0.read_u16().await.unwrap()),
            127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
            length => usize::from(length),
        };
        let mut mask = [0; 4];
        if head[1] & 0x80 != 0 && self.0.read_exact(&mut mask).await.is_err() {
            return Seen::Eof;
        }
        let mut payload = vec![0; length];
        if self.0.read_exact(&mut payload).await.is_err() {
            return Seen::Eof;
        }
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        Seen::Frame { first: head[0], payload }
    }

    /// Everything up to the end.
    pub(crate) async fn see_all(&mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        loop {
            let seen = self.see().await;
            let is_end = matches!(seen, Seen::Eof | Seen::Reset);
            all.push(seen);
            if is_end {
                return all;
            }
        }
    }
}

/// A handshake as browsers send it.
pub(crate) fn request(target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut lines = vec![
        ("Host", "testserver"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    lines.extend_from_slice(headers);
    raw_request("GET", target, &lines)
}

pub(crate) fn raw_request(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        // Header values are ISO-8859-1.
        bytes.extend(value.chars().map(|character| u8::try_from(u32::from(character)).unwrap()));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A frame as a client sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 + u8::try_from(length).unwrap()),
        length @ 126..65536 => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}
