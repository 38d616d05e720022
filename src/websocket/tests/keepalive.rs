use std::time::{Duration, Instant};

use super::*;

fn fast() -> Setup {
    let mut setup = Setup::new();
    setup.websocket.ping_interval = Duration::from_millis(500);
    setup.websocket.ping_timeout = Duration::from_millis(500);
    setup.websocket.close_timeout = Duration::from_millis(500);
    setup
}

async fn see_ping(client: &mut Client) -> Vec<u8> {
    match client.see().await {
        Seen::Frame { first: 0x89, payload } => payload,
        other => panic!("no ping: {other:?}"),
    }
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let server = fast().start().await;
    let mut client = server.socket("/ws/chat/").await;
    for _ in 0..3 {
        let payload = see_ping(&mut client).await;
        assert_eq!(payload.len(), 4);
        client.send(&frame(0x8a, &payload)).await;
    }
    client.send(&text("1")).await;
    assert_eq!(client.see().await, Seen::text("1"));
}

#[tokio::test]
async fn a_client_that_does_not_is_closed() {
    let server = fast().start().await;
    let mut client = server.socket("/ws/chat/").await;
    see_ping(&mut client).await;
    // Another payload, a message and an unsolicited pong are no answer.
    client.send(&frame(0x8a, b"else")).await;
    client.send(&text("1")).await;
    assert_eq!(client.see().await, Seen::text("1"));
    assert_eq!(client.see_all().await, [Seen::close(1011, "keepalive ping timeout"), Seen::Eof]);
    drop(client);
    server.emptied().await;
}

#[tokio::test]
async fn without_an_interval_nothing_is_sent() {
    let mut setup = fast();
    setup.websocket.ping_interval = Duration::ZERO;
    let server = setup.start().await;
    let mut client = server.socket("/ws/chat/").await;
    assert!(timeout(Duration::from_millis(1500), client.see()).await.is_err());
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let server = fast().start().await;
    let mut client = server.socket("/ws/chat/").await;
    let message = text(&format!("\"{}\"", "x".repeat(10_000_000)));
    client.send(&message).await;
    server.emptied().await;
    drop(client);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_dropped_for_a_pong_that_waits_behind() {
    let mut setup = fast();
    setup.websocket.ping_timeout = Duration::from_secs(10);
    let server = setup.start().await;
    let mut client = server.socket("/ws/chat/").await;
    let length = 16_000_000;
    // The time-out leaves a slow machine the time to send and answer this, when the client reads no ping.
    client.send(&text(&format!("\"{}\"", "x".repeat(length)))).await;
    // Pings may come before the answer begins.
    let mut head = [0; 2];
    client.0.read_exact(&mut head).await.unwrap();
    while head == [0x89, 4] {
        let mut payload = [0; 4];
        client.0.read_exact(&mut payload).await.unwrap();
        client.send(&frame(0x8a, &payload)).await;
        client.0.read_exact(&mut head).await.unwrap();
    }
    let started = Instant::now();
    let mut left = length + 2 + 8;
    let mut buffer = vec![0; 40_000];
    while left > 0 {
        let most = left.min(buffer.len());
        left -= client.0.read(&mut buffer[..most]).await.unwrap();
        // Longer than a ping and its time-out.
        if started.elapsed() < Duration::from_secs(12) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let payload = see_ping(&mut client).await;
    client.send(&[frame(0x8a, &payload), text("1")].concat()).await;
    assert_eq!(client.see().await, Seen::text("1"));
}
