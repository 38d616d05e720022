//! More handshakes than can be worked on, and routes that are full.

use super::*;
use crate::admission::{Gate, Permit, Rate};

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A server that works on one handshake at a time, and is at work.
async fn busy(change: impl FnOnce(&mut LimitOptions)) -> (TestServer, Arc<Gate>, Permit) {
    let mut setup = Setup::new();
    setup.limits.admission.at_once = 1;
    change(&mut setup.limits);
    let server = setup.start().await;
    let gate = Arc::clone(&server.site.borrow().websocket.gates.handshakes);
    let working = gate.enter(HERE).await.unwrap();
    (server, gate, working)
}

/// Sends a handshake with the ticket, without waiting for its answer.
async fn ask(server: &TestServer) -> Client {
    server.setup.tickets.put(TICKET, Value::Int(1));
    let mut client = server.connect().await;
    client.send(&request(&format!("/ws/chat/?uuid={TICKET}"), &[])).await;
    client
}

async fn until(holds: impl Fn() -> bool) {
    timeout(LONG, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_handshake_waits_for_its_turn_and_its_ticket_with_it() {
    let (server, gate, working) = busy(|_| {}).await;
    let mut client = ask(&server).await;
    until(|| gate.counters().waiting == 1).await;
    assert!(server.setup.tickets.holds(TICKET));
    drop(working);
    assert_eq!(client.answer().await.status, 101);
    assert!(!server.setup.tickets.holds(TICKET));
    until(|| gate.counters().working == 0).await;
}

#[tokio::test]
async fn past_the_line_a_client_is_told_when_to_come_back_with_the_same_ticket() {
    let (server, _, working) = busy(|limits| limits.admission.waiting = 0).await;
    let answer = ask(&server).await.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    drop(working);
    let answer = server.connect().await.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[]).await;
    assert_eq!(answer.status, 101);
}

#[tokio::test]
async fn whose_turn_does_not_come_in_time_is_refused() {
    let (server, gate, _working) = busy(|limits| limits.admission.wait = Duration::from_millis(300)).await;
    let answer = ask(&server).await.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert_eq!(gate.counters().late, 1);
}

#[tokio::test]
async fn a_client_that_left_while_it_waited_costs_no_query() {
    let (server, gate, working) = busy(|_| {}).await;
    let client = ask(&server).await;
    until(|| gate.counters().waiting == 1).await;
    drop(client);
    until(|| gate.counters().left == 1).await;
    drop(working);
    let _next = server.socket("/ws/chat/").await;
    assert!(server.setup.tickets.holds(TICKET));
}

#[tokio::test]
async fn handshakes_that_are_refused_anyway_do_not_wait() {
    let (server, _, _working) = busy(|_| {}).await;
    for (target, code) in [("/ws/nope/", "no_route"), ("/ws/chat/", "ticket_missing")] {
        assert_eq!(server.connect().await.handshake(target, &[]).await.code(), code);
    }
}

#[tokio::test]
async fn a_rate_holds_for_handshakes() {
    let mut setup = Setup::new();
    setup.limits.admission.handshakes = Some(Rate { per_second: 10.0, burst: 1 });
    let server = setup.start().await;
    let start = std::time::Instant::now();
    for _ in 0..4 {
        drop(server.socket("/ws/chat/").await);
    }
    assert!(start.elapsed() >= Duration::from_millis(295), "{:?}", start.elapsed());
}

#[tokio::test]
async fn who_waits_is_sent_away_when_the_server_stops() {
    let (mut server, gate, _working) = busy(|_| {}).await;
    let mut client = ask(&server).await;
    until(|| gate.counters().waiting == 1).await;
    server.stop.take();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "draining"));
    assert!(server.setup.tickets.holds(TICKET));
}

#[tokio::test]
async fn a_full_route_refuses_and_others_do_not() {
    let mut setup = Setup::new();
    setup.routes[0].connections = Some(1);
    setup.routes.push(declared("ws/other/", serde_json::json!("{{ content }}")));
    let server = setup.start().await;
    let first = server.socket("/ws/chat/").await;
    let (_, answer) = server.handshake("/ws/chat/").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "limit_route"));
    assert!(answer.headers.contains_key("retry-after"));
    let other = server.socket("/ws/other/").await;
    drop((first, other));
    server.emptied().await;
    server.socket("/ws/chat/").await;
}
