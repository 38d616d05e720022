use std::{sync::Arc, time::Duration};

use tokio::{io::AsyncReadExt, time::timeout};

use crate::{
    python::Value,
    websocket::tests::{Seen, Setup, TICKET, TestServer, declared, raw_request, request, text},
};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_client_that_sends_its_request_slowly_is_dropped() {
    let mut setup = Setup::new();
    setup.limits.handshake_timeout = Duration::from_millis(500);
    let server = setup.start().await;
    let mut slow = server.connect().await;
    let request = request("/ws/chat/", &[]);
    let mut rest = Vec::new();
    for byte in request {
        // Each byte comes in time, all of them do not.
        if tokio::io::AsyncWriteExt::write_all(&mut slow.0, &[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = timeout(LONG, slow.0.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&rest));
    let mut silent = server.connect().await;
    assert!(matches!(silent.see().await, Seen::Eof | Seen::Reset), "and one that sends nothing");
}

#[tokio::test]
async fn an_idle_connection_is_kept_no_longer_than_a_request_may_take() {
    let mut setup = Setup::new();
    setup.limits.handshake_timeout = Duration::from_millis(500);
    let server = setup.start().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send(&raw_request("GET", "/", &[("Host", "testserver")])).await;
        assert_eq!(client.answer().await.status, 404);
    }
    assert_eq!(client.see().await, Seen::Eof);
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_dropped() {
    let mut setup = Setup::new();
    setup.limits.send_timeout = Duration::from_millis(500);
    let server = setup.start().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(server.address).await.unwrap();
    let requests = raw_request("GET", "/", &[("Host", "testserver")]).repeat(500);
    let sent =
        timeout(LONG, async { while tokio::io::AsyncWriteExt::write_all(&mut client, &requests).await.is_ok() {} });
    assert!(sent.await.is_ok(), "the connection is kept");
}

#[tokio::test]
async fn requests_that_are_too_long_are_refused() {
    let mut setup = Setup::new();
    setup.limits.header_bytes = 16 * 1024;
    setup.limits.url_bytes = 4 * 1024;
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send(&request(&format!("/ws/chat/?uuid={}", "a".repeat(5000)), &[])).await;
    assert_eq!(client.answer().await.status, 414);
    let mut client = server.connect().await;
    client.send(&request("/ws/chat/", &[("X-Long", &"a".repeat(17 * 1024))])).await;
    assert_eq!(client.answer().await.status, 431);
    let mut client = server.connect().await;
    let answer = client.handshake("/ws/chat/", &[("X-Long", &"a".repeat(12 * 1024))]).await;
    assert_eq!(answer.code(), "ticket_missing");
}

#[tokio::test]
async fn headers_are_limited_by_their_bytes_and_not_by_their_number() {
    let server = TestServer::start().await;
    let mut headers = vec![("Host", "testserver")];
    headers.resize(500, ("X-Extra", "1"));
    let mut client = server.connect().await;
    client.send(&raw_request("GET", "/", &headers)).await;
    assert_eq!(client.answer().await.status, 404);
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_dropped() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    let mut rest = Vec::new();
    let _ = timeout(LONG, client.0.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn new_settings_hold_for_new_requests_and_open_sockets_keep_theirs() {
    let mut server = TestServer::start().await;
    let mut old = server.socket("/ws/chat/").await;
    server.setup.routes = vec![declared("ws/chat/", serde_json::json!("new"))];
    server.site.send_replace(server.setup.site());
    let mut new = server.socket("/ws/chat/").await;
    for (client, answer) in [(&mut old, "1"), (&mut new, r#""new""#)] {
        client.send(&text("1")).await;
        assert_eq!(client.see().await, Seen::text(answer));
    }
}

#[tokio::test]
async fn at_the_limit_of_descriptors_new_connections_wait_and_old_ones_live() {
    let setup = Setup::new();
    let options = super::ServerOptions {
        bind: "127.0.0.1:0".to_owned(),
        limits: setup.limits.clone(),
        ..super::ServerOptions::default()
    };
    let mut server = super::Server::bind(&options, Arc::default()).await.unwrap();
    server.most = 2;
    server.permits = Arc::new(tokio::sync::Semaphore::new(2));
    let address = server.address();
    setup.tickets.put(TICKET, Value::Int(1));
    let (_site, receiver) = tokio::sync::watch::channel(setup.site());
    let task = tokio::spawn(server.serve(receiver, crate::server::Stopper::default()));
    let connect = async || crate::websocket::tests::Client(tokio::net::TcpStream::connect(address).await.unwrap());
    let mut socket = connect().await;
    assert_eq!(socket.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[]).await.status, 101);
    let second = connect().await;
    let mut third = connect().await;
    third.send(&raw_request("GET", "/", &[("Host", "testserver")])).await;
    assert!(timeout(Duration::from_millis(500), third.answer()).await.is_err());
    socket.send(&text("1")).await;
    assert_eq!(socket.see().await, Seen::text("1"));
    drop(second);
    assert_eq!(third.answer().await.status, 404);
    drop((socket, third));
    task.abort();
}

#[tokio::test]
async fn a_request_that_is_being_answered_when_the_server_stops_is_answered() {
    let mut server = TestServer::start().await;
    let mut client = server.connect().await;
    let request = request("/ws/chat/", &[]);
    let (start, end) = request.split_at(40);
    client.send(start).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.send(end).await;
    assert_eq!(client.answer().await.status, 403);
    server.stop.take();
    timeout(LONG, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_has_connected_when_the_server_stops_is_told_that_it_drains() {
    let mut server = TestServer::start().await;
    server.stop.take();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(server.address).unwrap();
            std::io::Write::write_all(&mut client, &request("/ws/chat/", &[])).unwrap();
            client.set_nonblocking(true).unwrap();
            crate::websocket::tests::Client(tokio::net::TcpStream::from_std(client).unwrap())
        })
        .collect();
    for mut client in clients {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "draining"));
    }
    timeout(LONG, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_that_is_given_up_waits_for_nobody() {
    let setup = Setup::new();
    let options = super::ServerOptions { bind: "127.0.0.1:0".to_owned(), ..super::ServerOptions::default() };
    let server = super::Server::bind(&options, Arc::default()).await.unwrap();
    let (address, open) = (server.address(), server.sockets());
    let (_site, receiver) = tokio::sync::watch::channel(setup.site());
    let stopper = super::Stopper::default();
    let task = tokio::spawn(server.serve(receiver, stopper.clone()));
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = crate::websocket::tests::Client(tokio::net::TcpStream::connect(address).await.unwrap());
        let ticket = crate::ticket::Ticket::new().expose();
        setup.tickets.put(&ticket, Value::Int(1));
        assert_eq!(client.handshake(&format!("/ws/chat/?uuid={ticket}"), &[]).await.status, 101);
        clients.push(client);
    }
    while open.registry.open() < clients.len() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stopper.raise(super::Stop::Spread);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = std::time::Instant::now();
    stopper.raise(super::Stop::Abandon);
    timeout(LONG, task).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for mut client in clients {
        assert_eq!(client.see().await, Seen::close(1012, ""), "nobody is dropped without a word");
    }
}

#[tokio::test]
async fn who_had_connected_when_another_process_took_over_is_admitted_and_then_closed() {
    let setup = Setup::new();
    setup.tickets.put(TICKET, Value::Int(1));
    let options = super::ServerOptions { bind: "127.0.0.1:0".to_owned(), ..super::ServerOptions::default() };
    let server = super::Server::bind(&options, Arc::default()).await.unwrap();
    let address = server.address();
    let (_site, receiver) = tokio::sync::watch::channel(setup.site());
    let stopper = super::Stopper::default();
    let task = tokio::spawn(server.serve(receiver, stopper.clone()));
    let mut client = crate::websocket::tests::Client(tokio::net::TcpStream::connect(address).await.unwrap());
    // Accepted before the hand-over.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = std::time::Instant::now();
    stopper.hand_over(None);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it listens no more");
    assert_eq!(client.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[]).await.status, 101);
    assert_eq!(client.see().await, Seen::close(1012, ""));
    drop(client);
    timeout(LONG, task).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
