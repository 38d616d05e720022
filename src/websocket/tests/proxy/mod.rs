//! Sockets whose consumer is behind us, at a Django that does what it is told.

mod closing;
mod frames;
mod handshake;
mod hold;
mod keepalive;

use tokio::net::TcpListener;
use tungstenite::handshake::derive_accept_key;

use super::*;
use crate::upstream::{Address, HoldOptions, ProxyOptions, RouteAuth, UpstreamOptions};

/// What listens behind us.
pub(super) struct FakeDjango(TcpListener);

/// A handshake that came to it.
pub(super) struct Asked {
    pub(super) head: String,
    pub(super) connection: Client,
}

impl FakeDjango {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn options(&self) -> UpstreamOptions {
        let address = format!("http://{}", self.0.local_addr().unwrap());
        UpstreamOptions::new(vec![Address::parse(&address).unwrap()])
    }

    async fn asked(&self) -> Asked {
        let (stream, _) = timeout(LONG, self.0.accept()).await.expect("nobody came").unwrap();
        let mut head = Vec::new();
        let mut connection = Client(stream);
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(LONG, connection.0.read_u8()).await.unwrap().unwrap());
        }
        Asked { head: head.into_iter().map(char::from).collect(), connection }
    }

    async fn accept(&self) -> Client {
        self.asked().await.accept("").await
    }

    /// What comes by a connection whose handshake was not sent.
    async fn asked_nothing(&self) -> Seen {
        let (stream, _) = timeout(LONG, self.0.accept()).await.expect("nobody came").unwrap();
        Client(stream).see().await
    }

    /// Whether somebody connects within a short time.
    async fn is_asked(&self) -> bool {
        timeout(Duration::from_millis(300), self.0.accept()).await.is_ok()
    }
}

impl Asked {
    /// The value of a header.
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// Answers with 101 and these lines.
    async fn accept(mut self, lines: &str) -> Client {
        let accept = derive_accept_key(self.header("sec-websocket-key").unwrap().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        );
        self.connection.send(answer.as_bytes()).await;
        self.connection
    }

    async fn answer(mut self, answer: &str) {
        self.connection.send(answer.as_bytes()).await;
    }
}

/// A frame as a server sends it.
pub(super) fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = frame(first, payload);
    let header = masked.len() - payload.len() - 4;
    let mut bytes = masked[..header].to_vec();
    bytes[1] &= 0x7f;
    bytes.extend_from_slice(payload);
    bytes
}

pub(super) fn server_close(code: u16, reason: &str) -> Vec<u8> {
    server_frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// A proxied route.
pub(super) fn proxied(path: &str, auth: RouteAuth, hold: Option<HoldOptions>) -> RouteOptions {
    let options = ProxyOptions { upstream: None, auth, hold };
    RouteOptions::new(RoutePattern::Path(path.to_owned()), RouteKind::Proxy(options))
}

/// A server in front of a Django: `ws/ticket/` needs a ticket, `ws/held/` too and is held for 3 s with 1,000 bytes, and
/// anything else is passed on untouched.
pub(super) async fn beside(change: impl FnOnce(&mut Setup)) -> (TestServer, FakeDjango) {
    let django = FakeDjango::start().await;
    let mut setup = Setup::new();
    setup.upstream = Some(Upstream::start(django.options()));
    let hold = HoldOptions { time: Duration::from_secs(3), buffer: 1000 };
    setup.routes.push(proxied("ws/ticket/", RouteAuth::Ticket, None));
    setup.routes.push(proxied("ws/held/", RouteAuth::Ticket, Some(hold)));
    setup.routes.push(proxied("ws/held-public/", RouteAuth::Untouched, Some(hold)));
    change(&mut setup);
    (setup.start().await, django)
}

/// Both ends of a proxied socket.
pub(super) async fn opened(server: &TestServer, django: &FakeDjango, path: &str) -> (Client, Client) {
    let ticket = Ticket::new().expose();
    server.setup.tickets.put(&ticket, Value::Int(1));
    let mut client = server.connect().await;
    client.send(&request(&format!("{path}?uuid={ticket}"), &[])).await;
    let consumer = django.accept().await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 101, "{}", answer.body);
    (client, consumer)
}

/// A server, and both ends of a socket that is passed on untouched.
pub(super) async fn one() -> (TestServer, FakeDjango, Client, Client) {
    let (server, django) = beside(|_| {}).await;
    let (client, consumer) = opened(&server, &django, "/ws/public/").await;
    (server, django, client, consumer)
}

pub(super) async fn sees_nothing(connection: &mut Client) {
    assert!(timeout(Duration::from_millis(300), connection.0.read_u8()).await.is_err(), "something came");
}
