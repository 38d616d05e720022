use super::*;

/// Sends a handshake with `headers`, and what Django got.
async fn asked(server: &TestServer, django: &FakeDjango, target: &str, headers: &[(&str, &str)]) -> (Client, Asked) {
    let mut client = server.connect().await;
    client.send(&request(target, headers)).await;
    (client, django.asked().await)
}

fn a_ticket(server: &TestServer, user: i64) -> String {
    let ticket = Ticket::new().expose();
    server.setup.tickets.put(&ticket, Value::Int(user));
    ticket
}

#[tokio::test]
async fn an_untouched_handshake_reaches_django_as_it_was_sent() {
    let (server, django) = beside(|_| {}).await;
    let headers = [
        ("Cookie", "sessionid=abc; csrftoken=def"),
        ("Origin", "https://testserver"),
        ("Authorization", "Bearer x.y.z"),
        ("Sec-WebSocket-Protocol", "b, a"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("X-Own", "é"),
    ];
    let target = "/ws/p%20ublic/?uuid=not-a-ticket&a=%C3%A9+b&uuid=";
    let (mut client, asked) = asked(&server, &django, target, &headers).await;
    assert_eq!(asked.target(), target);
    for (name, value) in [
        ("host", "testserver"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    for (name, value) in &headers {
        assert_eq!(asked.header(name), Some(*value), "{name}");
    }
    assert_eq!(asked.head.to_ascii_lowercase().matches("\r\nconnection:").count(), 1);
    assert_eq!(asked.head.to_ascii_lowercase().matches("\r\nupgrade:").count(), 1);
    let answer = "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSet-Cookie: x=1\r\n\
                  Set-Cookie: y=2\r\nX-Custom: yes\r\nKeep-Alive: timeout=5\r\nServer: daphne\r\n";
    let _consumer = asked.accept(answer).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 101);
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "a"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("set-cookie", "y=2"),
        ("x-custom", "yes"),
        ("server", "daphne"),
    ] {
        assert_eq!(answer.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!answer.headers.contains_key("keep-alive"));
}

#[tokio::test]
async fn the_client_is_not_answered_before_django_has() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, asked) = asked(&server, &django, "/ws/public/", &[]).await;
    sees_nothing(&mut client).await;
    let _consumer = asked.accept("").await;
    assert_eq!(client.answer().await.status, 101);
}

#[tokio::test]
async fn a_fresh_ticket_for_the_same_user_goes_to_django() {
    let (server, django) = beside(|_| {}).await;
    let ticket = a_ticket(&server, 1);
    let target = format!("/ws/ticket/?a=%20&uuid=x&uuid={ticket}&b=1&uuid=");
    let (mut client, asked) = asked(&server, &django, &target, &[("Sec-WebSocket-Protocol", "chat")]).await;
    let target = asked.target().to_owned();
    let fresh = target.strip_prefix("/ws/ticket/?a=%20&uuid=").unwrap().strip_suffix("&b=1").unwrap().to_owned();
    assert!(Ticket::parse(&fresh).is_some() && fresh != ticket);
    assert!(!server.setup.tickets.holds(&ticket), "the client's own is used up");
    let stored = server.setup.tickets.stored.lock().unwrap().get(&fresh).cloned();
    assert_eq!(stored, Some(Some(Value::Int(1))), "and the fresh one waits to be redeemed");
    let _consumer = asked.accept("Sec-WebSocket-Protocol: chat\r\n").await;
    assert_eq!(client.answer().await.headers["sec-websocket-protocol"], "chat");
}

#[tokio::test]
async fn a_route_that_is_held_is_not_compressed() {
    let (server, django) = beside(|_| {}).await;
    let ticket = a_ticket(&server, 1);
    let headers = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let (_client, asked) = asked(&server, &django, &format!("/ws/held/?uuid={ticket}"), &headers).await;
    assert_eq!(asked.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn what_a_ticket_route_refuses_never_reaches_django() {
    let (server, django) = beside(|setup| {
        setup.websocket.origins = crate::websocket::OriginPolicy::Allowed(vec!["testserver".to_owned()]);
    })
    .await;
    let origin = [("Origin", "https://testserver")];
    for (query, status, code) in [
        (String::new(), 403, "ticket_missing"),
        ("?uuid=1".to_owned(), 403, "ticket_malformed"),
        (format!("?uuid={TICKET}"), 403, "ticket_invalid"),
        (format!("?uuid={}", a_ticket(&server, 2)), 403, "user_inactive"),
        (format!("?uuid={}", a_ticket(&server, 99)), 403, "user_not_found"),
    ] {
        let mut client = server.connect().await;
        let answer = client.handshake(&format!("/ws/ticket/{query}"), &origin).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    let ticket = a_ticket(&server, 1);
    let answer = server.connect().await.handshake(&format!("/ws/ticket/?uuid={ticket}"), &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "origin_refused"));
    assert!(server.setup.tickets.holds(&ticket));
    // Those that got as far as a connection said nothing on it.
    while let Ok(Ok((stream, _))) = timeout(Duration::from_millis(100), django.0.accept()).await {
        assert_eq!(Client(stream).see().await, Seen::Eof);
    }
    // A route that is not ours to guard is passed on from anywhere.
    let (_client, _asked) = asked(&server, &django, "/ws/public/", &[("Origin", "https://elsewhere")]).await;
}

#[tokio::test]
async fn a_django_that_is_down_does_not_burn_the_ticket() {
    let (server, django) = beside(|_| {}).await;
    drop(django);
    let ticket = a_ticket(&server, 1);
    for target in [format!("/ws/ticket/?uuid={ticket}"), "/ws/public/".to_owned()] {
        let answer = server.connect().await.handshake(&target, &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable_upstream"));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert!(server.setup.tickets.holds(&ticket));
}

#[tokio::test]
async fn django_s_refusal_reaches_the_client_with_status_headers_and_body() {
    let (server, django) = beside(|_| {}).await;
    for (raw, status, body) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nContent-Type: text/plain\r\nX-A: 1\r\n\r\n", 403, ""),
        (
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 4\r\nX-A: 1\r\n\r\nfail",
            500,
            "fail",
        ),
        ("HTTP/1.1 404 Not Found\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n<404>", 404, "<404>"),
        ("HTTP/1.1 302 Found\r\nLocation: /login/\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n", 302, ""),
        ("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
    ] {
        let (mut client, asked) = asked(&server, &django, "/ws/public/", &[]).await;
        asked.answer(raw).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str(), answer.headers["x-a"].as_str()), (status, body, "1"));
        assert_eq!(answer.headers["connection"], "close");
        assert_eq!(client.see().await, Seen::Eof);
    }
    // A body without a length, and one that comes in chunks.
    for raw in [
        "HTTP/1.1 403 Forbidden\r\n\r\nuntil the end",
        "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n",
    ] {
        let (mut client, asked) = asked(&server, &django, "/ws/public/", &[]).await;
        asked.answer(raw).await;
        let mut all = String::new();
        client.0.read_to_string(&mut all).await.unwrap();
        assert!(all.starts_with("HTTP/1.1 403") && all.contains("until the end"), "{all}");
    }
}

#[tokio::test]
async fn django_s_refusal_can_be_told_by_a_close_code() {
    let (server, django) = beside(|setup| setup.websocket.refuse = crate::websocket::RefuseBy::Close).await;
    for (status, code) in [(403, 4403), (302, 4403), (404, 4404), (429, 4429), (500, 4503), (503, 4503)] {
        let (mut client, asked) = asked(&server, &django, "/ws/public/", &[("Sec-WebSocket-Protocol", "b, a")]).await;
        asked.answer(&format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.headers["sec-websocket-protocol"].as_str()), (101, "b"));
        assert_eq!(client.see().await, Seen::close(code, "upstream_refused"));
        client.send(&close(code, "")).await;
        assert_eq!(client.see().await, Seen::Eof);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_apart_from_a_refusal() {
    let django = FakeDjango::start().await;
    let mut setup = Setup::new();
    let options = UpstreamOptions { timeout: Duration::from_millis(500), ..django.options() };
    setup.upstream = Some(Upstream::start(options));
    let server = setup.start().await;
    for (raw, status, code) in [
        ("", 502, "upstream_failed"),
        ("HTTP/1.1 101 S", 502, "upstream_failed"),
        ("nonsense\r\n\r\n", 502, "upstream_failed"),
        ("HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 502, "upstream_failed"),
        (
            "HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            502,
            "upstream_failed",
        ),
        (
            "HTTP/1.1 101 ok\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
            "upstream_failed",
        ),
    ] {
        let (mut client, asked) = asked(&server, &django, "/ws/public/", &[]).await;
        asked.answer(raw).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{raw:?}");
    }
    let (mut client, _asked) = asked(&server, &django, "/ws/public/", &[]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
}

#[tokio::test]
async fn limits_and_their_return_hold_for_proxied_sockets() {
    let (server, django) = beside(|setup| {
        setup.limits.connections = Some(2);
        setup.limits.connections_per_user = Some(1);
    })
    .await;
    let (client, consumer) = opened(&server, &django, "/ws/ticket/").await;
    let ticket = a_ticket(&server, 1);
    let answer = server.connect().await.handshake(&format!("/ws/ticket/?uuid={ticket}"), &[]).await;
    assert_eq!(answer.code(), "limit_user");
    assert_eq!(django.asked_nothing().await, Seen::Eof);
    let (public, public_consumer) = opened(&server, &django, "/ws/public/").await;
    let answer = server.connect().await.handshake("/ws/public/", &[]).await;
    assert_eq!(answer.code(), "limit_connections");
    drop((client, consumer, public, public_consumer));
    server.emptied().await;
    let (_client, _consumer) = opened(&server, &django, "/ws/ticket/").await;
}

#[tokio::test]
async fn a_handshake_that_can_be_read_in_two_ways_is_not_passed_on() {
    let (server, django) = beside(|_| {}).await;
    for headers in [
        vec![("Host", "other")],
        vec![("Content-Length", "5")],
        vec![("Transfer-Encoding", "chunked")],
        vec![("Origin", "http://a"), ("Origin", "http://b")],
        vec![("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")],
    ] {
        let answer = server.connect().await.handshake("/ws/public/", &headers).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_handshake"), "{headers:?}");
    }
    assert!(!django.is_asked().await);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_leaves_nothing_behind() {
    let (server, django) = beside(|_| {}).await;
    let (client, mut asked) = asked(&server, &django, "/ws/public/", &[]).await;
    drop(client);
    assert_eq!(asked.connection.see().await, Seen::Eof);
}

#[tokio::test]
async fn a_fresh_ticket_is_gone_where_django_does_not_accept() {
    let (server, django) = beside(|_| {}).await;
    for answer in [
        "HTTP/1.1 302 Found\r\nLocation: /ws/ticket/?uuid={fresh}\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        "no HTTP\r\n\r\n",
    ] {
        let ticket = a_ticket(&server, 1);
        let (mut client, asked) = asked(&server, &django, &format!("/ws/ticket/?uuid={ticket}"), &[]).await;
        let fresh = asked.target().split_once("uuid=").unwrap().1.to_owned();
        assert!(fresh != ticket && server.setup.tickets.holds(&fresh), "{answer}");
        asked.answer(&answer.replace("{fresh}", &fresh)).await;
        assert_ne!(client.answer().await.status, 101);
        timeout(LONG, async {
            while server.setup.tickets.holds(&fresh) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the fresh ticket is still good");
    }
}

#[tokio::test]
async fn slashes_at_the_start_name_no_host_for_django() {
    let (server, django) = beside(|_| {}).await;
    for (sent, passed) in [
        ("//x/ws/ticket/?uuid=a", "/x/ws/ticket/?uuid=a"),
        ("///ws/public/?a=//b", "/ws/public/?a=//b"),
        ("//x?y", "/x?y"),
        ("//", "/"),
    ] {
        let (_client, asked) = asked(&server, &django, sent, &[]).await;
        assert_eq!(asked.target(), passed);
    }
}
