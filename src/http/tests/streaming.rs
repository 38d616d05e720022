//! Bodies are passed on as they come, and never collected.

use std::time::Duration;

use super::*;
use crate::websocket::tests::raw_request;

#[tokio::test]
async fn a_server_sent_event_arrives_before_the_answer_ends() {
    let (more, wanted) = tokio::sync::watch::channel(0);
    let django = Recorder::start(move |mut connection: Connection| {
        let mut wanted = wanted.clone();
        async move {
            connection.request().await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
            while wanted.changed().await.is_ok() {
                let event = format!("data: {}\n\n", *wanted.borrow());
                connection.write(&event).await;
            }
        }
    })
    .await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("GET", "/events/", &[("Host", "a")])).await;
    let mut seen = String::new();
    let mut bytes = [0; 1024];
    for number in 1..=3 {
        while !seen.contains("\r\n\r\n") || (number > 1 && !seen.contains(&format!("data: {}\n\n", number - 1))) {
            let read = timeout(LONG, client.0.read(&mut bytes)).await.expect("it comes at once").unwrap();
            seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        more.send_replace(number);
    }
    drop(more);
    let rest = rest_of_body(&mut client).await;
    assert!(rest.ends_with("data: 3\n\n\r\n0\r\n\r\n"), "{rest}");
}

/// Up to the end of a chunked answer.
async fn rest_of_body(client: &mut Client) -> String {
    let mut seen = String::new();
    let mut bytes = [0; 1024];
    while !seen.ends_with("0\r\n\r\n") {
        let read = timeout(LONG, client.0.read(&mut bytes)).await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    seen
}

#[tokio::test]
async fn a_part_of_an_upload_arrives_before_the_client_is_done() {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("POST", "/", &[("Host", "a"), ("Transfer-Encoding", "chunked")])).await;
    for part in ["first", "other"] {
        client.send(format!("5\r\n{part}\r\n").as_bytes()).await;
        until(|| django.seen().concat().ends_with(&format!("5\r\n{part}\r\n"))).await;
    }
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

const LARGE: usize = 200 * 1024 * 1024;
const PART: usize = 64 * 1024;

/// Of this process: what is resident, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_200_mib_passes_in_either_direction_within_bounded_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    // Takes all of the body, then sends it all back.
    let django = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let mut part = vec![0; PART];
        let mut left = LARGE;
        while left > 0 {
            left -= stream.read(&mut part).await.unwrap();
        }
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes()).await.unwrap();
        for _ in 0..LARGE / PART {
            stream.write_all(&part).await.unwrap();
        }
        stream
    });
    let gate = Gate::before(&address).await;
    let mut client = gate.connect().await;
    let before = resident();
    client.send(&raw_request("POST", "/", &[("Host", "a"), ("Content-Length", &LARGE.to_string())])).await;
    let mut part = vec![0; PART];
    let mut most = 0;
    for _ in 0..LARGE / PART {
        client.send(&part).await;
        most = most.max(resident());
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LONG, client.0.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK"));
    // A client that does not read for a while: nothing piles up meanwhile.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut left = LARGE;
    while left > 0 {
        left -= timeout(LONG, client.0.read(&mut part)).await.unwrap().unwrap();
        most = most.max(resident());
    }
    drop(django.await.unwrap());
    let grown = most.saturating_sub(before) / 1024 / 1024;
    // Other tests run in this process meanwhile.
    assert!(grown < 100, "{grown} MiB more");
}
