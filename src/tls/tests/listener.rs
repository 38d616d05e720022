use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::*;
use crate::{
    python::Value,
    ticket::Ticket,
    websocket::tests::{Seen, Setup, TestServer, close, frame, raw_request, request, text},
};

/// The server itself, not the tunnel to it.
async fn start(change: impl FnOnce(&mut Setup)) -> (TestServer, SocketAddr) {
    let mut setup = Setup::new();
    change(&mut setup);
    setup.tls = Some(acceptor());
    let server = setup.start().await;
    let address = server.direct;
    (server, address)
}

#[tokio::test]
async fn sockets_live_under_tls_as_without() {
    let (server, _) = start(|_| ()).await;
    let mut client = server.socket("/ws/chat/").await;
    client.send(&text("1")).await;
    assert_eq!(client.see().await, Seen::text("1"));
    client.send(&frame(0x89, b"ping")).await;
    assert_eq!(client.see().await, Seen::pong(b"ping"));
    let long = format!("\"{}\"", "x".repeat(1_000_000));
    client.send(&text(&long)).await;
    assert!(client.see().await == Seen::text(&long), "a long one comes back whole");
    client.send(&close(1000, "bye")).await;
    assert_eq!(client.see_all().await, [Seen::close(1000, "bye"), Seen::Eof]);
    server.emptied().await;
}

#[tokio::test]
async fn a_handshake_and_frames_that_come_in_one_piece_are_all_answered() {
    let (server, address) = start(|_| ()).await;
    let ticket = Ticket::new().expose();
    server.setup.tickets.put(&ticket, Value::Int(1));
    let mut client = connect(address).await;
    let all = [request(&format!("/ws/chat/?uuid={ticket}"), &[]), text("1"), text("2")].concat();
    client.write_all(&all).await.unwrap();
    let mut heard = vec![0; 2048];
    let mut length = 0;
    while !heard[..length].ends_with(b"\x81\x012") {
        length += timeout(LONG, client.read(&mut heard[length..])).await.unwrap().unwrap();
    }
    assert!(heard[..length].ends_with(b"\x81\x011\x81\x012"));
}

#[tokio::test]
async fn a_client_of_plain_http_is_told_and_one_that_speaks_neither_is_dropped() {
    let (_server, address) = start(|_| ()).await;
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(&raw_request("GET", "/", &[("Host", "testserver")])).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, plain.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    let mut neither = TcpStream::connect(address).await.unwrap();
    neither.write_all(&[0xff; 100]).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(LONG, neither.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest.first(), Some(&0x15), "an alert");
}

#[tokio::test]
async fn half_open_handshakes_end_in_time_and_keep_nobody_waiting() {
    let (server, address) = start(|setup| setup.limits.handshake_timeout = Duration::from_secs(1)).await;
    let mut half_open = Vec::new();
    for number in 0..500 {
        let mut client = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            client.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        }
        half_open.push(client);
    }
    let begun = Instant::now();
    let mut socket = server.socket("/ws/chat/").await;
    socket.send(&text("1")).await;
    assert_eq!(socket.see().await, Seen::text("1"));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for mut client in half_open {
        let mut rest = Vec::new();
        let _ = timeout(LONG, client.read_to_end(&mut rest)).await.expect("it is ended");
    }
}

#[tokio::test]
async fn a_handshake_that_comes_slowly_succeeds_in_time_and_fails_after_it() {
    for (patience, is_let_in) in [(Duration::from_secs(20), true), (Duration::from_millis(300), false)] {
        let (_server, address) = start(|setup| setup.limits.handshake_timeout = patience).await;
        let mut session = client(rustls::ALL_VERSIONS);
        let mut hello = Vec::new();
        session.write_tls(&mut hello).unwrap();
        let mut tcp = TcpStream::connect(address).await.unwrap();
        for part in hello.chunks(40) {
            if tcp.write_all(part).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut answer = [0; 100];
        let read = timeout(LONG, tcp.read(&mut answer)).await.unwrap();
        assert_eq!(read.is_ok_and(|length| length > 0 && answer[0] == 0x16), is_let_in, "{patience:?}");
    }
}

#[tokio::test]
async fn only_http_1_1_is_agreed_on_and_any_name_gets_the_certificate() {
    let (_server, address) = start(|_| ()).await;
    for (offered, agreed) in
        [(vec![], Some(None)), (vec!["h2", "http/1.1"], Some(Some(&b"http/1.1"[..]))), (vec!["h2"], None)]
    {
        let mut config = client_config(rustls::ALL_VERSIONS);
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(address).await.unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name(), tcp).await;
        let protocol = connected.ok().map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
        assert_eq!(protocol, agreed.map(|agreed| agreed.map(<[u8]>::to_vec)), "{offered:?}");
    }
    for other in ["elsewhere.example", "127.0.0.2"] {
        let tcp = TcpStream::connect(address).await.unwrap();
        let config = Arc::new(client_config(rustls::ALL_VERSIONS));
        let error = TlsConnector::from(config).connect(ServerName::try_from(other).unwrap(), tcp).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "the client refuses, not the server: {error}");
    }
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_dropped() {
    let (_server, address) = start(|setup| setup.limits.send_timeout = Duration::from_millis(500)).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(address).await.unwrap();
    let mut client =
        TlsConnector::from(Arc::new(client_config(rustls::ALL_VERSIONS))).connect(name(), tcp).await.unwrap();
    let requests = raw_request("GET", "/", &[("Host", "testserver")]).repeat(500);
    let sent = timeout(LONG, async { while client.write_all(&requests).await.is_ok() {} });
    assert!(sent.await.is_ok(), "the connection is kept");
}

#[tokio::test]
async fn what_a_slow_client_has_not_taken_leaves_when_it_reads_again() {
    let (server, _) = start(|_| ()).await;
    let mut client = server.socket("/ws/chat/").await;
    let long = format!("\"{}\"", "x".repeat(4_000_000));
    client.send(&text(&long)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.send(&text("1")).await;
    assert!(client.see().await == Seen::text(&long));
    assert_eq!(client.see().await, Seen::text("1"));
}

#[tokio::test]
async fn stopping_ends_sockets_and_half_open_handshakes() {
    let (mut server, address) = start(|_| ()).await;
    let mut client = server.socket("/ws/chat/").await;
    let mut half_open = TcpStream::connect(address).await.unwrap();
    half_open.write_all(b"\x16").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.take();
    assert!(matches!(client.see().await, Seen::Frame { first: 0x88, .. }));
    assert_eq!(timeout(LONG, half_open.read(&mut [0; 10])).await.unwrap().unwrap_or(0), 0);
    drop(client);
    timeout(LONG, server.task).await.unwrap().unwrap();
}
