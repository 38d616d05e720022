use super::*;

#[tokio::test]
async fn the_client_s_close_reaches_django_and_its_answer_the_client() {
    let (server, django) = beside(|_| {}).await;
    // Daphne answers 1000 to everything.
    for (sent, answer) in [
        (close(4321, "bye"), server_close(4321, "bye")),
        (close(4321, "bye"), server_close(1000, "")),
        (frame(0x88, b""), server_frame(0x88, b"")),
        (close(999, "odd"), server_close(1002, "invalid status code")),
    ] {
        let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
        client.send(&[text("last"), sent.clone(), text("late")].concat()).await;
        assert_eq!(consumer.see().await, Seen::text("last"));
        let mut received = vec![0; sent.len()];
        consumer.0.read_exact(&mut received).await.unwrap();
        assert_eq!(received, sent);
        consumer.send(&answer).await;
        assert_eq!(client.see().await, Seen::Frame { first: 0x88, payload: answer[2..].to_vec() });
        assert_eq!(client.see().await, Seen::Eof);
        assert_eq!(consumer.see().await, Seen::Eof);
        drop((client, consumer));
        server.emptied().await;
    }
}

#[tokio::test]
async fn the_consumer_s_close_reaches_the_client_and_its_answer_django() {
    let (server, django) = beside(|_| {}).await;
    for (sent, answer) in [
        (server_close(4001, "why"), close(4001, "why")),
        (server_frame(0x88, b""), frame(0x88, b"")),
        (server_close(1012, ""), close(1012, "")),
        (server_close(5000, ""), close(1002, "")),
    ] {
        let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
        consumer.send(&[server_frame(0x81, b"last"), sent.clone()].concat()).await;
        assert_eq!(client.see().await, Seen::text("last"));
        assert_eq!(client.see().await, Seen::Frame { first: 0x88, payload: sent[2..].to_vec() });
        client.send(&[text("crossing"), answer.clone()].concat()).await;
        assert_eq!(consumer.see().await, Seen::text("crossing"));
        let mut received = vec![0; answer.len()];
        consumer.0.read_exact(&mut received).await.unwrap();
        assert_eq!(received, answer);
        assert_eq!(client.see().await, Seen::Eof);
        assert_eq!(consumer.see().await, Seen::Eof);
        drop((client, consumer));
        server.emptied().await;
    }
}

#[tokio::test]
async fn who_does_not_answer_a_close_is_left_after_a_time() {
    let (server, django) = beside(|setup| setup.websocket.close_timeout = Duration::from_millis(300)).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    client.send(&close(1000, "")).await;
    assert_eq!(consumer.see().await, Seen::close(1000, ""));
    assert!(matches!(client.see().await, Seen::Eof | Seen::Reset));
    server.emptied().await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    consumer.send(&server_close(4000, "")).await;
    assert_eq!(client.see().await, Seen::close(4000, ""));
    assert!(matches!(consumer.see().await, Seen::Eof | Seen::Reset));
    server.emptied().await;
}

#[tokio::test]
async fn a_client_that_vanishes_is_gone_without_a_close_frame() {
    let (server, django, mut client, mut consumer) = one().await;
    client.send(&text("last")).await;
    drop(client);
    assert_eq!(consumer.see_all().await, [Seen::text("last"), Seen::Eof]);
    drop(consumer);
    server.emptied().await;
    // By a reset, too.
    let (client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    client.0.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(consumer.see().await, Seen::Eof);
    drop(consumer);
    server.emptied().await;
}

#[tokio::test]
async fn an_upstream_that_vanishes_closes_the_client_with_1012() {
    let (server, django, mut client, mut consumer) = one().await;
    consumer.send(&server_frame(0x81, b"last")).await;
    drop(consumer);
    assert_eq!(client.see_all().await, [Seen::text("last"), Seen::close(1012, ""), Seen::Eof]);
    drop(client);
    server.emptied().await;
    // Between the frames of a message as well, but not within one.
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    consumer.send(&server_frame(0x01, b"begun")).await;
    drop(consumer);
    let begun = Seen::Frame { first: 0x01, payload: b"begun".to_vec() };
    assert_eq!(client.see_all().await, [begun, Seen::close(1012, ""), Seen::Eof]);
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    consumer.send(&server_frame(0x81, b"cut off")[..5]).await;
    drop(consumer);
    assert_eq!(client.see_all().await, [Seen::Eof]);
}

#[tokio::test]
async fn after_the_client_s_close_a_vanished_upstream_is_not_covered_up() {
    let (_server, _django, mut client, mut consumer) = one().await;
    client.send(&close(1000, "")).await;
    assert_eq!(consumer.see().await, Seen::close(1000, ""));
    drop(consumer);
    assert_eq!(client.see_all().await, [Seen::Eof]);
}

#[tokio::test]
async fn a_client_whose_frames_cannot_be_followed_is_closed_with_1002() {
    let (server, django) = beside(|_| {}).await;
    for (bytes, reason) in [
        (vec![0x81, 1, b'x'], "incorrect masking"),
        (vec![0x83, 0x80, 0, 0, 0, 0], "invalid opcode"),
        (vec![0x89, 0xfe, 0, 126], "control frame too long"),
        (vec![0x09, 0x80, 0, 0, 0, 0], "fragmented control frame"),
    ] {
        let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
        client.send(&[text("good"), bytes].concat()).await;
        assert_eq!(consumer.see_all().await, [Seen::text("good"), Seen::close(1002, reason), Seen::Eof]);
        assert_eq!(client.see_all().await, [Seen::close(1002, reason), Seen::Eof]);
        drop((client, consumer));
        server.emptied().await;
    }
}

#[tokio::test]
async fn a_server_that_stops_closes_both_sides_with_1012() {
    let (mut server, django) = beside(|_| {}).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    let (mut held, mut held_consumer) = opened(&server, &django, "/ws/held/").await;
    let (mut waiting, gone) = opened(&server, &django, "/ws/held/").await;
    drop((gone, django));
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.take();
    for connection in [&mut client, &mut consumer, &mut held, &mut held_consumer, &mut waiting] {
        assert_eq!(connection.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
    }
    drop((client, consumer, held, held_consumer, waiting));
    timeout(LONG, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_stops_waits_for_the_end_of_a_frame() {
    let (mut server, _django, mut client, mut consumer) = one().await;
    let long = server_frame(0x82, &[b'x'; 1000]);
    consumer.send(&long[..500]).await;
    let mut received = vec![0; 500];
    client.0.read_exact(&mut received).await.unwrap();
    server.stop.take();
    assert_eq!(consumer.see().await, Seen::close(1012, ""));
    consumer.send(&[&long[500..], &server_frame(0x81, b"late")].concat()).await;
    let mut rest = vec![0; long.len() - 500];
    client.0.read_exact(&mut rest).await.unwrap();
    assert_eq!(client.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
    drop((client, consumer));
    timeout(LONG, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_user_who_is_gone_is_told_so_and_django_too() {
    let (server, django) = beside(|setup| setup.websocket.user_check_interval = Some(Duration::from_millis(500))).await;
    let (mut public, mut public_consumer) = opened(&server, &django, "/ws/public/").await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/ticket/").await;
    assert_eq!(server.open.roll.count(), 1, "who is behind the other is Django's affair");
    server.setup.users.rows.lock().unwrap().clear();
    assert_eq!(client.see().await, Seen::close(4403, "user_not_found"));
    let sent = close(4403, "user_not_found");
    let mut received = vec![0; sent.len()];
    consumer.0.read_exact(&mut received).await.unwrap();
    assert_eq!((received[0], received.len()), (0x88, sent.len()));
    public.send(&text("still here")).await;
    assert_eq!(public_consumer.see().await, Seen::text("still here"));
}
