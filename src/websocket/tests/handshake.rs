use std::time::Duration;

use super::*;
use crate::websocket::{OriginPolicy, RefuseBy};

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let server = TestServer::start().await;
    server.setup.tickets.put(TICKET, Value::Int(1));
    let target = format!("/ws/chat/?uuid={TICKET}");
    let mut first = server.connect().await;
    let answer = first.handshake(&target, &[]).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.headers["upgrade"], "websocket");
    assert_eq!(answer.headers["connection"], "Upgrade");
    assert_eq!(answer.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(!answer.headers.contains_key("sec-websocket-extensions"));

    let again = server.connect().await.handshake(&target, &[]).await;
    assert_eq!((again.status, again.code().as_str()), (403, "ticket_invalid"));
    assert_eq!(again.headers["content-type"], "application/json");
    first.send(&text(r#"{"a":1}"#)).await;
    assert_eq!(first.see().await, Seen::text(r#"{"a": 1}"#));
}

#[tokio::test]
async fn what_came_of_handshakes_and_their_tickets_is_counted() {
    let server = TestServer::start().await;
    server.setup.tickets.put(TICKET, Value::Int(1));
    let target = format!("/ws/chat/?uuid={TICKET}");
    let mut open = server.connect().await;
    assert_eq!(open.handshake(&target, &[]).await.status, 101);
    for target in [&target, &target, "/ws/nowhere/"] {
        server.connect().await.handshake(target, &[]).await;
    }
    let page = server.open.metrics.encode(crate::metrics::Format::Text);
    for line in [
        "sluicegate_tickets_redeemed_total 1",
        "sluicegate_handshakes_total{outcome=\"accepted\",reason=\"\"} 1",
        "sluicegate_handshakes_total{outcome=\"abandoned\",reason=\"\"} 0",
        "sluicegate_handshakes_total{outcome=\"refused\",reason=\"ticket_invalid\"} 2",
        "sluicegate_handshakes_total{outcome=\"refused\",reason=\"no_route\"} 1",
        "sluicegate_handshake_seconds_count 1",
    ] {
        assert!(page.lines().any(|written| written == line), "{line}\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_ticket_in_200_handshakes_opens_exactly_one_socket() {
    let server = TestServer::start().await;
    server.setup.tickets.put(TICKET, Value::Int(1));
    let address = server.address;
    let attempts: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = Client(TcpStream::connect(address).await.unwrap());
                let answer = client.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[]).await;
                (client, answer.status)
            })
        })
        .collect();
    let mut statuses = Vec::new();
    let mut clients = Vec::new();
    for attempt in attempts {
        let (client, status) = attempt.await.unwrap();
        clients.push(client);
        statuses.push(status);
    }
    assert_eq!(statuses.iter().filter(|&&status| status == 101).count(), 1);
    assert_eq!(statuses.iter().filter(|&&status| status == 403).count(), 199);
    drop(clients);
    server.emptied().await;
}

#[tokio::test]
async fn frames_sent_behind_the_handshake_are_read() {
    let server = TestServer::start().await;
    server.setup.tickets.put(TICKET, Value::Int(1));
    let mut client = server.connect().await;
    let mut bytes = request(&format!("/ws/chat/?uuid={TICKET}"), &[]);
    bytes.extend(text("1"));
    bytes.extend(&text("22")[..3]);
    client.send(&bytes).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.see().await, Seen::text("1"));
    client.send(&text("22")[3..]).await;
    assert_eq!(client.see().await, Seen::text("22"));
}

#[tokio::test]
async fn a_request_without_upgrade_headers_is_ordinary_http() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    for headers in [
        &[("Host", "testserver")][..],
        &[("Host", "testserver"), ("Upgrade", "websocket")],
        &[("Host", "testserver"), ("Connection", "Upgrade"), ("Upgrade", "h2c")],
    ] {
        client.send(&raw_request("GET", "/ws/chat/", headers)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "ordinary HTTP"), "the connection is kept");
    }
}

#[tokio::test]
async fn a_wrong_path_or_a_foreign_page_does_not_burn_the_ticket() {
    let mut setup = Setup::new();
    setup.websocket.origins = OriginPolicy::Allowed(vec!["app.test".to_owned()]);
    let server = setup.start().await;
    server.setup.tickets.put(TICKET, Value::Int(1));
    let refused = async |target: &str, headers: &[(&str, &str)]| {
        let answer = server.connect().await.handshake(&format!("{target}?uuid={TICKET}"), headers).await;
        (answer.status, answer.code())
    };
    assert_eq!(refused("/ws/nope/", &[("Origin", "http://app.test")]).await, (404, "no_route".to_owned()));
    assert_eq!(refused("/ws/chat/", &[("Origin", "http://evil.test")]).await, (403, "origin_refused".to_owned()));
    assert_eq!(refused("/ws/chat/", &[]).await, (403, "origin_refused".to_owned()));
    assert!(server.setup.tickets.holds(TICKET));
    let mut client = server.connect().await;
    let answer = client.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[("Origin", "http://app.test")]).await;
    assert_eq!(answer.status, 101);
}

#[tokio::test]
async fn what_does_not_answer_is_unavailable_and_never_an_invalid_ticket() {
    let server = TestServer::start().await;
    *server.setup.tickets.is_down.lock().unwrap() = true;
    let (_, answer) = server.handshake("/ws/chat/").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable_cache"));
    assert!(answer.headers.contains_key("retry-after"));
    *server.setup.tickets.is_down.lock().unwrap() = false;
    *server.setup.users.is_down.lock().unwrap() = true;
    let (_, answer) = server.handshake("/ws/chat/").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable_database"));
    assert!(answer.body.contains("new ticket"), "the old one is gone: {}", answer.body);
}

#[tokio::test]
async fn users_that_are_gone_odd_or_inactive_are_refused() {
    let server = TestServer::start().await;
    for (value, code) in [
        (Value::Int(99), "user_not_found"),
        (Value::Str("abc".to_owned()), "user_not_found"),
        (Value::None, "user_not_found"),
        (Value::Int(2), "user_inactive"),
    ] {
        server.setup.tickets.put(TICKET, value);
        let answer = server.connect().await.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, code));
    }
    let mut setup = Setup::new();
    setup.websocket.check_user_is_active = false;
    let server = setup.start().await;
    server.setup.tickets.put(TICKET, Value::Int(2));
    let answer = server.connect().await.handshake(&format!("/ws/chat/?uuid={TICKET}"), &[]).await;
    assert_eq!(answer.status, 101, "as in Python");
}

#[tokio::test]
async fn a_refusal_can_be_told_by_a_close_code() {
    let mut setup = Setup::new();
    setup.websocket.refuse = RefuseBy::Close;
    setup.websocket.subprotocols = vec!["chat".to_owned()];
    let server = setup.start().await;
    let mut client = server.connect().await;
    let offered = [("Sec-WebSocket-Protocol", "chat")];
    let answer = client.handshake(&format!("/ws/chat/?uuid={TICKET}"), &offered).await;
    assert_eq!((answer.status, answer.headers["sec-websocket-protocol"].as_str()), (101, "chat"));
    client.send(&text("too early")).await;
    assert_eq!(client.see().await, Seen::close(4401, "ticket_invalid"));
    client.send(&close(4401, "")).await;
    assert_eq!(client.see().await, Seen::Eof);

    let mut client = server.connect().await;
    client.handshake("/ws/nope/", &[]).await;
    assert_eq!(client.see().await, Seen::close(4404, "no_route"));
    drop(client);

    let answer = server.connect().await.handshake("/ws/chat/", &[("Sec-WebSocket-Version", "13")]).await;
    assert_eq!(answer.status, 426, "what is no handshake cannot be accepted");
    server.emptied().await;
}

#[tokio::test]
async fn defects_of_the_handshake_have_their_statuses() {
    let server = TestServer::start().await;
    let base = [
        ("Host", "testserver"),
        ("Upgrade", "WebSocket"),
        ("Connection", "keep-alive, upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let without = |name: &str| base.into_iter().filter(|header| header.0 != name).collect::<Vec<_>>();
    let with = |name: &'static str, value: &'static str| [without(name), vec![(name, value)]].concat();
    let plus = |name: &'static str, value: &'static str| [base.to_vec(), vec![(name, value)]].concat();
    for (method, headers, status) in [
        ("POST", base.to_vec(), 405),
        ("GET", without("Sec-WebSocket-Key"), 400),
        ("GET", with("Sec-WebSocket-Key", "short"), 400),
        ("GET", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), 400),
        ("GET", plus("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), 400),
        ("GET", without("Sec-WebSocket-Version"), 426),
        ("GET", with("Sec-WebSocket-Version", "8"), 426),
        ("GET", plus("Content-Length", "5"), 400),
        ("GET", plus("Transfer-Encoding", "chunked"), 400),
        ("GET", [plus("Origin", "http://a.test"), vec![("Origin", "http://a.test")]].concat(), 400),
    ] {
        let mut client = server.connect().await;
        client.send(&raw_request(method, &format!("/ws/chat/?uuid={TICKET}"), &headers)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (status, "bad_handshake"), "{method} {headers:?}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405);
    }
    assert_eq!(server.open.registry.open(), 0);
}

#[tokio::test]
async fn the_first_of_our_subprotocols_that_is_offered_is_chosen() {
    let mut setup = Setup::new();
    setup.websocket.subprotocols = vec!["v2".to_owned(), "v1".to_owned()];
    let server = setup.start().await;
    for (offered, chosen) in [(&["v1, v2"][..], Some("v2")), (&["x", "v1"], Some("v1")), (&["V1"], None), (&[], None)] {
        server.setup.tickets.put(TICKET, Value::Int(1));
        let headers: Vec<_> = offered.iter().map(|offer| ("Sec-WebSocket-Protocol", *offer)).collect();
        let mut client = server.connect().await;
        let answer = client.handshake(&format!("/ws/chat/?uuid={TICKET}"), &headers).await;
        assert_eq!(answer.status, 101);
        assert_eq!(answer.headers.get("sec-websocket-protocol").map(String::as_str), chosen);
    }
}

#[tokio::test]
async fn limits_are_told_and_given_back_on_every_way_out() {
    let mut setup = Setup::new();
    setup.limits.connections = Some(3);
    setup.limits.connections_per_user = Some(2);
    setup.limits.trusted_proxies = Some(vec![(std::net::IpAddr::from([127, 0, 0, 1]), 32)]);
    setup.limits.connections_per_address = Some(2);
    let server = setup.start().await;
    let connect = async |user: i64, address: &str| {
        let ticket = Ticket::new().expose();
        server.setup.tickets.put(&ticket, Value::Int(user));
        let mut client = server.connect().await;
        let target = format!("/ws/chat/?uuid={ticket}");
        let answer = client.handshake(&target, &[("X-Forwarded-For", address)]).await;
        (client, if answer.status == 101 { String::new() } else { format!("{} {}", answer.status, answer.code()) })
    };
    let (first, answer) = connect(1, "1.1.1.1").await;
    assert_eq!(answer, "");
    let (mut second, answer) = connect(1, "1.1.1.1").await;
    assert_eq!(answer, "");
    assert_eq!(connect(3, "1.1.1.1").await.1, "429 limit_address");
    assert_eq!(connect(1, "2.2.2.2").await.1, "429 limit_user");
    assert_eq!(connect(99, "2.2.2.2").await.1, "403 user_not_found");
    let (third, answer) = connect(3, "2.2.2.2").await;
    assert_eq!(answer, "");
    assert_eq!(connect(12, "3.3.3.3").await.1, "503 limit_connections");
    // A vanished client, a close, a violation.
    drop(first);
    second.send(&close(1000, "")).await;
    second.see_all().await;
    drop(second);
    let mut third = third;
    third.send(&[0x81, 0]).await;
    third.see_all().await;
    drop(third);
    server.emptied().await;
    // What was counted is given back right after the socket has left the registry.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut again = Vec::new();
    for (user, address) in [(1, "1.1.1.1"), (1, "1.1.1.1"), (3, "2.2.2.2")] {
        let (client, answer) = connect(user, address).await;
        assert_eq!(answer, "");
        again.push(client);
    }
}
