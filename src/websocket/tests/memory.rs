//! What an idle socket costs: a measurement, for a process of its own.
//!
//! `cargo test --release idle_sockets -- --ignored --nocapture`

use std::{
    io::{Read, Write},
    net::TcpStream as Blocking,
    time::Duration,
};

use super::*;
use crate::{
    channel_layer::{self, ChannelLayerOptions, Host, LayerBackend},
    consumer::DeclaredEvent,
    test_support::redis::Redis,
};

const SOCKETS: usize = 8_000;

const PROXIED: usize = 4_000;

/// The most that an idle socket may take, in KiB.
const MOST: f64 = 3.5;

/// Resident memory of this process, in KiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures the whole process, and needs 17,000 file descriptors"]
#[expect(clippy::cast_precision_loss, reason = "a count of sockets")]
async fn idle_sockets_cost_little_and_again_after_traffic() {
    let mut setup = Setup::new();
    // The clients below answer no pings.
    setup.websocket.ping_interval = Duration::from_mins(10);
    let server = setup.start().await;
    for _ in 0..100 {
        drop(server.socket("/ws/chat/").await);
    }
    server.emptied().await;
    let before = resident();
    let address = server.address;
    let tickets = Arc::clone(&server.setup.tickets);
    // Blocking sockets, so that the clients cost this process next to nothing.
    let connect = move || -> Vec<Blocking> {
        let connect = |_| {
            let ticket = Ticket::new().expose();
            tickets.put(&ticket, Value::Int(1));
            let mut client = Blocking::connect(address).unwrap();
            client.write_all(&request(&format!("/ws/chat/?uuid={ticket}"), &[])).unwrap();
            let mut answer = [0; 512];
            let length = client.read(&mut answer).unwrap();
            assert!(answer[..length].starts_with(b"HTTP/1.1 101"));
            client
        };
        (0..SOCKETS).map(connect).collect()
    };
    let mut clients = tokio::task::spawn_blocking(connect).await.unwrap();
    assert_eq!(server.open.registry.open(), SOCKETS);
    let idle = (resident() - before) / SOCKETS as f64;

    let message = format!("\"{}\"", "x".repeat(64 * 1024));
    clients = tokio::task::spawn_blocking(move || {
        let frame = text(&message);
        let mut answer = vec![0; frame.len() - 4];
        for client in &mut clients {
            client.write_all(&frame).unwrap();
            client.read_exact(&mut answer).unwrap();
        }
        clients
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = (resident() - before) / SOCKETS as f64;
    println!("{idle:.2} KiB per idle socket; {after:.2} KiB 10 s after each sent and received 64 KiB");
    drop(clients);
    assert!(idle <= MOST && after <= MOST, "{idle:.2} {after:.2}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures the whole process, and needs 17,000 file descriptors"]
async fn idle_members_of_a_group_in_memory_cost_little_and_again_after_an_event() {
    let options = ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() };
    measure_members("in memory", &options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures the whole process, and needs 17,000 file descriptors"]
async fn idle_members_of_a_group_in_redis_cost_little_and_again_after_an_event() {
    let redis = Redis::start(&[]);
    let options = ChannelLayerOptions { hosts: vec![Host::from(redis.options())], ..ChannelLayerOptions::default() };
    measure_members("in Redis", &options).await;
}

/// Sockets in one group, and an event of 64 KiB to all of them.
#[expect(clippy::cast_precision_loss, reason = "a count of sockets")]
async fn measure_members(what: &str, options: &ChannelLayerOptions) {
    let layer = channel_layer::open(options).unwrap();
    let mut setup = Setup::new();
    setup.websocket.ping_interval = Duration::from_mins(10);
    setup.layer = Some(Arc::clone(&layer));
    let send = Some(DeclaredOutput::Json(serde_json::json!({ "message": "{{ event.message }}" })));
    let event = DeclaredEvent { event_type: "chat.message".to_owned(), except: None, send, close: None };
    let rules = DeclaredOptions {
        groups: vec!["chat_{{ room }}".to_owned()],
        events: vec![event],
        ..DeclaredOptions::default()
    };
    let pattern = RoutePattern::Path("ws/chat/<str:room>/".to_owned());
    let kind = RouteKind::Declared(Box::new(rules));
    setup.routes = vec![RouteOptions::new(pattern, kind)];
    let server = setup.start().await;
    for _ in 0..100 {
        drop(server.socket("/ws/chat/lobby/").await);
    }
    server.emptied().await;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        let stream = server.socket("/ws/chat/lobby/").await.0.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        clients.push(stream);
    }
    let idle = (resident() - before) / SOCKETS as f64;

    let text = "x".repeat(64 * 1024);
    let mut answer = vec![0; text.len() + "{\"message\": \"\"}".len() + 10];
    let message = channel_layer::Value::map([("type", "chat.message".into()), ("message", text.into())]);
    layer.group_send("chat_lobby", &message).await.unwrap();
    clients = tokio::task::spawn_blocking(move || {
        for client in &mut clients {
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer[..2], [0x81, 127]);
        }
        clients
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = (resident() - before) / SOCKETS as f64;
    println!("{what}: {idle:.2} KiB per member of a group; {after:.2} KiB 10 s after an event of 64 KiB");
    drop(clients);
    server.emptied().await;
    layer.close().await;
    assert!(idle <= MOST && after <= MOST, "{idle:.2} {after:.2}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures the whole process, and needs 17,000 file descriptors"]
async fn idle_proxied_sockets_cost_as_little() {
    measure_proxied("/ws/public/").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures the whole process, and needs 17,000 file descriptors"]
async fn idle_held_sockets_cost_their_handshake_besides() {
    measure_proxied("/ws/held/").await;
}

#[expect(clippy::cast_precision_loss, reason = "a count of sockets")]
async fn measure_proxied(path: &str) {
    let (server, django) = super::proxy::beside(|setup| {
        setup.websocket.ping_interval = Duration::from_mins(10);
    })
    .await;
    for _ in 0..100 {
        drop(super::proxy::opened(&server, &django, path).await);
    }
    server.emptied().await;
    let before = resident();
    let mut pairs = Vec::new();
    for _ in 0..PROXIED {
        let (client, consumer) = super::proxy::opened(&server, &django, path).await;
        // What is not registered with the runtime costs this process next to nothing.
        let blocking = |client: Client| {
            let stream = client.0.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            stream
        };
        pairs.push((blocking(client), blocking(consumer)));
    }
    assert_eq!(server.open.registry.open(), PROXIED);
    let idle = (resident() - before) / PROXIED as f64;
    let up = text(&"x".repeat(64 * 1024));
    let down = super::proxy::server_frame(0x82, &vec![b'x'; 64 * 1024]);
    let pairs = tokio::task::spawn_blocking(move || {
        let mut received = vec![0; up.len().max(down.len())];
        for (client, consumer) in &mut pairs {
            client.write_all(&up).unwrap();
            consumer.read_exact(&mut received[..up.len()]).unwrap();
            consumer.write_all(&down).unwrap();
            client.read_exact(&mut received[..down.len()]).unwrap();
        }
        pairs
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = (resident() - before) / PROXIED as f64;
    println!("{path}: {idle:.2} KiB per idle socket; {after:.2} KiB after 64 KiB each way");
    drop(pairs);
    server.emptied().await;
    assert!(idle <= MOST && after <= MOST, "{idle:.2} {after:.2}");
}
