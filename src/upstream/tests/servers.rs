//! Several servers, of which some are away.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, UnixListener},
    time::{sleep, timeout},
};

use crate::{
    test_support::{Account, Folder},
    upstream::{Address, ConnectError, Connected, Upstream, UpstreamOptions},
};

const LONG: Duration = Duration::from_secs(20);

async fn listener() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    (listener, address)
}

/// A listener where another one was.
fn again(address: &Address) -> TcpListener {
    let Address::Tcp { port, .. } = address else { panic!("TCP alone") };
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], *port).into()).unwrap();
    socket.listen(16).unwrap()
}

fn start(servers: &[&Address]) -> Arc<Upstream> {
    let mut options = UpstreamOptions::new(servers.iter().map(|&address| address.clone()).collect());
    options.health_interval = Duration::from_millis(50);
    Upstream::start(options)
}

fn port(connected: &Connected) -> u16 {
    match &connected.stream {
        crate::upstream::Stream::Tcp(stream) => stream.peer_addr().unwrap().port(),
        crate::upstream::Stream::Unix(_) | crate::upstream::Stream::Tls(_) => 0,
    }
}

#[tokio::test]
async fn the_server_with_the_fewest_connections_takes_the_next_one() {
    let ((_one, first), (_two, second), (_three, third)) = (listener().await, listener().await, listener().await);
    let upstream = start(&[&first, &second, &third]);
    let mut connections = Vec::new();
    for _ in 0..9 {
        connections.push(upstream.connect().await.unwrap());
    }
    let count = |connections: &[Connected], of: u16| connections.iter().filter(|one| port(one) == of).count();
    let gone = port(&connections[0]);
    assert_eq!(count(&connections, gone), 3);
    connections.retain(|connection| port(connection) != gone);
    assert_eq!(connections.len(), 6);
    for _ in 0..3 {
        connections.push(upstream.connect().await.unwrap());
    }
    assert_eq!(count(&connections, gone), 3, "the server that lost its connections takes all new ones");
}

#[tokio::test]
async fn a_server_that_refuses_is_passed_over_at_once_and_comes_back() {
    let ((one, first), (_two, second)) = (listener().await, listener().await);
    drop(one);
    let upstream = start(&[&first, &second]);
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(upstream.connect().await.unwrap());
    }
    assert!(!upstream.servers[0].is_up());
    assert_eq!(upstream.servers[0].busy(), 0);
    let _one = again(&first);
    let back = async {
        while !upstream.servers[0].is_up() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, back).await.expect("found by the next look at it");
    let connected = upstream.connect().await.unwrap();
    assert_eq!(Some(port(&connected)), connection_port(&first), "it is the least busy one");
}

fn connection_port(address: &Address) -> Option<u16> {
    match address {
        Address::Tcp { port, .. } => Some(*port),
        Address::Unix(_) => None,
    }
}

#[tokio::test]
async fn where_none_accepts_the_last_one_says_why_and_each_is_tried_again_at_once() {
    let ((one, first), (two, second)) = (listener().await, listener().await);
    drop((one, two));
    let mut options = UpstreamOptions::new(vec![first.clone(), second]);
    options.health_interval = Duration::from_hours(1);
    let upstream = Upstream::start(options);
    let error = upstream.connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    let _one = again(&first);
    let connected = upstream.connect().await.unwrap();
    assert_eq!(Some(port(&connected)), connection_port(&first));
    assert!(upstream.servers[0].is_up());
}

#[tokio::test]
async fn a_unix_socket_is_a_server_like_any_other() {
    let folder = Folder::new(Account::Own);
    let path = folder.path().join("django.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let upstream = start(&[&Address::Unix(path)]);
    let mut connected = upstream.connect().await.unwrap();
    connected.stream.write_all(b"hello").await.unwrap();
    let (mut accepted, _) = listener.accept().await.unwrap();
    let mut seen = [0; 5];
    accepted.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"hello");
}

#[tokio::test]
async fn a_server_whose_health_path_fails_is_passed_over() {
    let ((sick, first), (well, second)) = (listener().await, listener().await);
    let serve = async |listener: TcpListener, answer: &'static str| {
        let mut asked = String::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).await.unwrap_or(0);
            asked = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if read > 0 {
                assert!(asked.starts_with("GET /health/?probe=1 HTTP/1.1\r\nhost: example.com\r\n"), "{asked}");
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        asked
    };
    let sick = tokio::spawn(serve(sick, "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"));
    let well = tokio::spawn(serve(well, "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"));
    let mut options = UpstreamOptions::new(vec![first, second.clone()]);
    options.health_path = Some("/health/?probe=1".to_owned());
    options.health_host = Some("example.com".to_owned());
    options.health_interval = Duration::from_millis(50);
    let upstream = Upstream::start(options);
    let noticed = async {
        while upstream.servers[0].is_up() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, noticed).await.expect("the health path is asked");
    for _ in 0..4 {
        let connected = upstream.connect().await.unwrap();
        assert_eq!(Some(port(&connected)), connection_port(&second));
    }
    assert!(!upstream.servers[0].is_up(), "that it accepts connections proves nothing");
    assert!(!sick.is_finished() && !well.is_finished(), "each was asked as it should be");
    sick.abort();
    well.abort();
}
