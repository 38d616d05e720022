use super::*;

/// A message comes to `connection`, and nothing before it.
async fn expect_text(connection: &mut Client, expected: &str) {
    assert_eq!(connection.see().await, Seen::text(expected));
}

#[tokio::test]
async fn a_socket_outlives_the_connection_behind_it() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/held/").await;
    for round in 0..3 {
        let (before, during, after) = (format!("{round} before"), format!("{round} during"), format!("{round} after"));
        client.send(&text(&before)).await;
        expect_text(&mut consumer, &before).await;
        // By a close frame, without a word, by a reset.
        match round {
            0 => {
                consumer.send(&server_close(1012, "")).await;
                assert_eq!(consumer.see().await, Seen::close(1012, ""));
            }
            1 => {}
            _ => consumer.0.set_zero_linger().unwrap(),
        }
        drop(consumer);
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.send(&[text(&during), text("and more")].concat()).await;
        consumer = django.accept().await;
        expect_text(&mut consumer, &during).await;
        expect_text(&mut consumer, "and more").await;
        consumer.send(&server_frame(0x81, after.as_bytes())).await;
        expect_text(&mut client, &after).await;
    }
}

#[tokio::test]
async fn each_new_handshake_has_a_ticket_and_a_key_of_its_own() {
    let (server, django) = beside(|_| {}).await;
    let ticket = Ticket::new().expose();
    server.setup.tickets.put(&ticket, Value::Int(1));
    let mut client = server.connect().await;
    let headers = [("Cookie", "a=1"), ("Cookie", "b=2"), ("Sec-WebSocket-Protocol", "chat")];
    client.send(&request(&format!("/ws/held/?room=1&uuid={ticket}&x"), &headers)).await;
    let mut seen = vec![ticket];
    let mut keys = Vec::new();
    for round in 0..3 {
        let asked = django.asked().await;
        let fresh = asked.target().strip_prefix("/ws/held/?room=1&uuid=").unwrap().strip_suffix("&x").unwrap();
        let fresh = fresh.to_owned();
        let stored = server.setup.tickets.stored.lock().unwrap().remove(&fresh);
        assert_eq!(stored, Some(Some(Value::Int(1))));
        assert!(!seen.contains(&fresh));
        seen.push(fresh);
        let key = asked.header("sec-websocket-key").unwrap().to_owned();
        assert!(!keys.contains(&key));
        keys.push(key);
        assert_eq!(asked.head.matches("ookie: ").count(), 2);
        assert_eq!(asked.header("sec-websocket-protocol"), Some("chat"));
        let consumer = asked.accept("Sec-WebSocket-Protocol: chat\r\n").await;
        if round == 0 {
            assert_eq!(client.answer().await.status, 101);
        }
        drop(consumer);
    }
}

#[tokio::test]
async fn past_the_buffer_the_client_waits_and_nothing_is_lost() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop(consumer);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let messages: Vec<String> = (0..400).map(|number| format!("{number} {}", "x".repeat(number))).collect();
    let all: Vec<u8> = messages.iter().flat_map(|message| text(message)).collect();
    client.send(&all).await;
    // Behind all this a ping is not even read.
    client.send(&frame(0x89, b"?")).await;
    sees_nothing(&mut client).await;
    let mut consumer = django.accept().await;
    for message in &messages {
        expect_text(&mut consumer, message).await;
    }
    assert_eq!(client.see().await, Seen::pong(b"?"));
}

#[tokio::test]
async fn the_rest_of_a_message_is_dropped_where_its_beginning_was_lost() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/held/").await;
    let lost = [frame(0x01, b"lost one"), frame(0x00, b"lost two"), frame(0x80, b"lost three")];
    client.send(&[&text("whole")[..], &lost[0], &lost[1][..3]].concat()).await;
    expect_text(&mut consumer, "whole").await;
    assert_eq!(consumer.see().await, Seen::Frame { first: 0x01, payload: b"lost one".to_vec() });
    drop(consumer);
    tokio::time::sleep(Duration::from_millis(20)).await;
    for byte in lost[1][3..].iter().chain(&frame(0x89, b"?")).chain(&lost[2]).chain(&text("kept")) {
        client.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    let mut consumer = django.accept().await;
    expect_text(&mut consumer, "kept").await;
    assert_eq!(client.see().await, Seen::pong(b"?"));
    client.send(&text("on")).await;
    expect_text(&mut consumer, "on").await;
}

#[tokio::test]
async fn a_loss_within_a_message_to_the_client_cannot_be_mended() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/held/").await;
    consumer.send(&server_frame(0x01, b"begun")).await;
    drop(consumer);
    let begun = Seen::Frame { first: 0x01, payload: b"begun".to_vec() };
    assert_eq!(client.see_all().await, [begun, Seen::close(1012, ""), Seen::Eof]);
    let (mut client, mut consumer) = opened(&server, &django, "/ws/held/").await;
    consumer.send(&server_frame(0x81, b"cut off")[..4]).await;
    drop(consumer);
    assert_eq!(client.see_all().await, [Seen::Eof]);
    // Of a frame of which nothing was passed on, nothing is missed.
    let (mut client, mut consumer) = opened(&server, &django, "/ws/held/").await;
    consumer.send(&server_frame(0x81, b"cut off")[..1]).await;
    drop(consumer);
    let mut consumer = django.accept().await;
    consumer.send(&server_frame(0x81, b"on")).await;
    expect_text(&mut client, "on").await;
}

#[tokio::test]
async fn when_the_time_is_over_the_client_is_closed_with_1012() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop((consumer, django));
    let started = std::time::Instant::now();
    client.send(&text("lost")).await;
    assert_eq!(client.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(2500) && waited < Duration::from_secs(10), "{waited:?}");
}

#[tokio::test]
async fn a_server_that_loses_its_sockets_again_and_again_does_not_get_more_time() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop(consumer);
    let crashing = async {
        let mut count = 0;
        loop {
            drop(django.accept().await);
            count += 1;
            assert!(count < 30, "no back-off");
        }
    };
    tokio::select! {
        seen = client.see_all() => assert_eq!(seen, [Seen::close(1012, ""), Seen::Eof]),
        () = crashing => unreachable!(),
    }
}

#[tokio::test]
async fn a_new_server_that_refuses_ends_the_socket_and_one_that_is_not_ready_does_not() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop(consumer);
    for not_yet in ["HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 502 No\r\n\r\n", ""] {
        django.asked().await.answer(not_yet).await;
    }
    django.asked().await.answer("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
    // So does one that chooses another subprotocol.
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop(consumer);
    let _consumer = django.asked().await.accept("Sec-WebSocket-Protocol: other\r\n").await;
    assert_eq!(client.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
}

#[tokio::test]
async fn a_user_who_was_deactivated_meanwhile_is_closed_with_the_reason() {
    let (server, django) = beside(|_| {}).await;
    for (rows, reason) in [(vec![(1, "alice", false)], "user_inactive"), (vec![], "user_not_found")] {
        *server.setup.users.rows.lock().unwrap() = vec![(1, "alice", true)];
        let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
        *server.setup.users.rows.lock().unwrap() = rows;
        drop(consumer);
        assert_eq!(client.see_all().await, [Seen::close(4403, reason), Seen::Eof]);
        assert_eq!(django.asked_nothing().await, Seen::Eof);
    }
}

#[tokio::test]
async fn a_cache_or_a_database_that_is_away_too_is_waited_for() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    *server.setup.users.is_down.lock().unwrap() = true;
    drop(consumer);
    assert_eq!(django.asked_nothing().await, Seen::Eof);
    *server.setup.users.is_down.lock().unwrap() = false;
    let mut consumer = django.accept().await;
    client.send(&text("on")).await;
    expect_text(&mut consumer, "on").await;
}

#[tokio::test]
async fn a_route_without_tickets_is_held_with_its_handshake() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held-public/").await;
    drop(consumer);
    let asked = django.asked().await;
    assert!(asked.target().starts_with("/ws/held-public/?uuid="));
    let mut consumer = asked.accept("").await;
    consumer.send(&server_frame(0x81, b"on")).await;
    expect_text(&mut client, "on").await;
}

#[tokio::test]
async fn the_close_of_a_client_that_is_held_is_answered_here() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop((consumer, django));
    tokio::time::sleep(Duration::from_millis(20)).await;
    client.send(&close(4000, "bye")).await;
    assert_eq!(client.see_all().await, [Seen::close(4000, "bye"), Seen::Eof]);
    drop(client);
    server.emptied().await;
}

#[tokio::test]
async fn a_client_that_vanishes_while_it_is_held_is_gone() {
    let (server, django) = beside(|_| {}).await;
    let (client, consumer) = opened(&server, &django, "/ws/held/").await;
    drop((consumer, django));
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(client);
    server.emptied().await;
}

#[tokio::test]
async fn the_consumer_s_own_close_is_no_restart() {
    let (server, django) = beside(|_| {}).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/held/").await;
    consumer.send(&server_close(4001, "why")).await;
    assert_eq!(client.see().await, Seen::close(4001, "why"));
    drop(consumer);
    assert_eq!(client.see().await, Seen::Eof);
    assert!(!django.is_asked().await);
}

#[tokio::test]
async fn two_hundred_sockets_outlive_a_restart() {
    let (server, django) = beside(|_| {}).await;
    let mut pairs = Vec::new();
    for _ in 0..200 {
        pairs.push(opened(&server, &django, "/ws/held/").await);
    }
    let (mut clients, consumers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    drop(consumers);
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&text(&number.to_string())).await;
    }
    let mut numbers = std::collections::HashSet::new();
    let mut consumers = Vec::new();
    for _ in 0..200 {
        let mut consumer = django.accept().await;
        let Seen::Frame { payload, .. } = consumer.see().await else { panic!("no frame") };
        consumer.send(&server_frame(0x81, &payload)).await;
        numbers.insert(payload);
        consumers.push(consumer);
    }
    assert_eq!(numbers.len(), 200);
    for (number, client) in clients.iter_mut().enumerate() {
        expect_text(client, &number.to_string()).await;
    }
}

#[tokio::test]
async fn a_held_socket_follows_a_reload_of_the_settings() {
    let (mut server, django) = beside(|_| {}).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/held/").await;
    let (mut lost, lost_consumer) = opened(&server, &django, "/ws/held-public/").await;
    let moved = FakeDjango::start().await;
    server.setup.upstream = Some(Upstream::start(moved.options()));
    // From here on this route is not held, and its sockets need a ticket.
    server.setup.routes.pop();
    server.setup.routes.push(proxied("ws/held-public/", RouteAuth::Ticket, None));
    server.site.send_replace(server.setup.site());
    drop((consumer, lost_consumer));
    let mut consumer = moved.accept().await;
    client.send(&text("here")).await;
    expect_text(&mut consumer, "here").await;
    assert_eq!(lost.see().await, Seen::close(1012, ""), "its handshake has no ticket");
    assert!(!django.is_asked().await);
}
