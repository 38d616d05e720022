//! Django is away, silent, or cuts its answer.

use std::time::Duration;

use super::*;
use crate::{test_support::free_port, websocket::tests::raw_request};

fn get() -> Vec<u8> {
    raw_request("GET", "/", &[("Host", "a")])
}

fn post(body: &str) -> Vec<u8> {
    let mut bytes = raw_request("POST", "/", &[("Host", "a"), ("Content-Length", &body.len().to_string())]);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

#[tokio::test]
async fn where_no_server_accepts_a_connection_the_client_is_told_to_come_back() {
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: free_port() };
    let gate = Gate::before(&address).await;
    let mut client = gate.connect().await;
    for request in [get(), post("abc")] {
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable_upstream"));
        assert!((1..=9).contains(&answer.headers["retry-after"].parse::<u64>().unwrap()));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    client.send(&raw_request("GET", "/readyz", &[("Host", "a")])).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok","upstream":"unavailable"}"#));
    client.send(&raw_request("GET", "/ticket/", &[("Host", "a")])).await;
    assert_eq!(client.answer().await.status, 401, "what is ours is answered");
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_head_or_is_no_http_is_a_bad_gateway() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\nserver: x\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        // What a client is to read must be said to it.
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
    ] {
        let django = Recorder::start(move |mut connection: Connection| async move {
            connection.request().await;
            connection.write(start).await;
        })
        .await;
        let gate = Gate::before(&django.address).await;
        for request in [get(), post("abc")] {
            let mut client = gate.connect().await;
            client.send(&request).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_failed"), "{start:?}");
        }
    }
}

#[tokio::test]
async fn a_head_that_is_late_is_a_gateway_timeout_and_the_request_is_given_up() {
    let (ended, mut has_ended) = tokio::sync::mpsc::unbounded_channel();
    let django = Recorder::start(move |mut connection: Connection| {
        let ended = ended.clone();
        async move {
            connection.request().await;
            while connection.read_more().await {}
            let _ = ended.send(());
        }
    })
    .await;
    let mut options = UpstreamOptions::new(vec![django.address.clone()]);
    options.timeout = Duration::from_millis(300);
    let gate = Gate::start(options, Forwarding::default()).await;
    let mut client = gate.connect().await;
    for request in [get(), post("abc")] {
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
        timeout(LONG, has_ended.recv()).await.expect("the connection is closed");
    }
}

#[tokio::test]
async fn the_time_for_an_answer_begins_with_the_connection() {
    // Nobody accepts: the queue is full.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let waiting: Vec<_> = (0..8).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut options = UpstreamOptions::new(vec![Address::Tcp { host: "127.0.0.1".to_owned(), port: address.port() }]);
    options.connect_timeout = Duration::from_millis(400);
    options.timeout = Duration::from_millis(200);
    let gate = Gate::start(options, Forwarding::default()).await;
    let mut client = gate.connect().await;
    client.send(&get()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable_upstream"));
    for one in waiting {
        one.abort();
    }
}

#[tokio::test]
async fn a_long_upload_is_no_late_answer() {
    let django = Recorder::ordinary().await;
    let mut options = UpstreamOptions::new(vec![django.address.clone()]);
    options.timeout = Duration::from_millis(400);
    let gate = Gate::start(options, Forwarding::default()).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("POST", "/", &[("Host", "a"), ("Content-Length", "10")])).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(b"x").await;
    }
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_body_breaks_off_for_the_client() {
    for head in ["content-length: 10", "transfer-encoding: chunked"] {
        let django = Recorder::start(move |mut connection: Connection| async move {
            connection.request().await;
            connection.write(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello")).await;
        })
        .await;
        let gate = Gate::before(&django.address).await;
        let answer = gate.send(&get()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("hello"), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "no end is made up: {answer}");
    }
}

#[tokio::test]
async fn of_two_servers_the_one_that_dies_is_passed_over_whatever_the_request() {
    let (one, two) = (Recorder::ordinary().await, Recorder::ordinary().await);
    let gate =
        Gate::start(UpstreamOptions::new(vec![one.address.clone(), two.address.clone()]), Forwarding::default()).await;
    let mut client = gate.connect().await;
    for _ in 0..4 {
        client.send(&get()).await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert!(!one.requests().is_empty() && !two.requests().is_empty(), "both take requests");
    drop(one);
    // Its connections live on in their tasks until they have been idle for too long.
    tokio::time::sleep(Duration::from_millis(1700)).await;
    let before = two.requests().len();
    for _ in 0..6 {
        client.send(&post("a body that is still whole for the other server")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(two.requests().len(), before + 6);
    assert!(two.seen().concat().matches("a body that is still whole").count() == 6);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request_to_django() {
    let streaming = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let uploading = [&raw_request("POST", "/", &[("Host", "a"), ("Content-Length", "9")])[..], b"half"].concat();
    for (request, answer) in [(get(), ""), (get(), streaming), (uploading.clone(), ""), (uploading, streaming)] {
        let (ended, mut has_ended) = tokio::sync::mpsc::unbounded_channel();
        let django = Recorder::start(move |mut connection: Connection| {
            let ended = ended.clone();
            async move {
                connection.until("\r\n\r\n").await;
                connection.write(answer).await;
                while connection.read_more().await {}
                let _ = ended.send(());
            }
        })
        .await;
        let gate = Gate::before(&django.address).await;
        let mut client = gate.connect().await;
        client.send(&request).await;
        until(|| !django.requests().is_empty()).await;
        assert!(timeout(Duration::from_millis(200), has_ended.recv()).await.is_err());
        drop(client);
        timeout(LONG, has_ended.recv()).await.expect("Django sees that the client is gone");
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_reaches_the_client() {
    let django = Recorder::start(async |mut connection: Connection| {
        connection.until("\r\n\r\n").await;
        connection.write("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig").await;
        // Read to the end, or what was not read would reset the answer away.
        while connection.read_more().await {}
    })
    .await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("POST", "/", &[("Host", "a"), ("Content-Length", "1000000")])).await;
    client.send(&[b'x'; 1000]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (413, "big"));
}
