use super::*;

/// Pings each second; how long an answer may take is `timeout`.
async fn pinging(ping_timeout: Duration) -> (TestServer, FakeDjango) {
    beside(|setup| {
        setup.websocket.ping_interval = Duration::from_millis(500);
        setup.websocket.ping_timeout = ping_timeout;
        setup.websocket.close_timeout = Duration::from_millis(500);
    })
    .await
}

async fn answer_ping(connection: &mut Client) {
    match connection.see().await {
        Seen::Frame { first: 0x89, payload } => connection.send(&frame(0x8a, &payload)).await,
        other => panic!("no ping: {other:?}"),
    }
}

async fn answer_ping_as_server(connection: &mut Client) {
    match connection.see().await {
        Seen::Frame { first: 0x89, payload } => connection.send(&server_frame(0x8a, &payload)).await,
        other => panic!("no ping: {other:?}"),
    }
}

#[tokio::test]
async fn both_sides_are_asked_whether_they_live() {
    let (server, django) = pinging(Duration::from_secs(2)).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    for _ in 0..3 {
        tokio::join!(answer_ping(&mut client), answer_ping_as_server(&mut consumer));
    }
    client.send(&text("still here")).await;
    assert_eq!(consumer.see().await, Seen::text("still here"));
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_closed_and_django_told_no_code() {
    let (server, django) = pinging(Duration::from_millis(500)).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    answer_ping_as_server(&mut consumer).await;
    assert_eq!(consumer.see().await, Seen::Eof);
    let seen = client.see_all().await;
    assert!(matches!(seen[0], Seen::Frame { first: 0x89, .. }));
    assert_eq!(seen[1..], [Seen::close(1011, "keepalive ping timeout"), Seen::Eof]);
    drop((client, consumer));
    server.emptied().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_counts_as_gone() {
    let (server, django) = pinging(Duration::from_millis(500)).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/public/").await;
    answer_ping(&mut client).await;
    assert_eq!(client.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
    drop((client, consumer));
    server.emptied().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let (server, django) = pinging(Duration::from_millis(500)).await;
    let (client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    let message = server_frame(0x82, &vec![b'x'; 32 << 20]);
    // It ends with an error once the socket is dropped.
    let _ = timeout(LONG, consumer.0.write_all(&message)).await.unwrap();
    drop(consumer);
    server.emptied().await;
    drop(client);
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_is_dropped() {
    let (server, django) = pinging(Duration::from_millis(500)).await;
    let (mut client, consumer) = opened(&server, &django, "/ws/public/").await;
    let message = frame(0x82, &vec![b'x'; 32 << 20]);
    let _ = timeout(LONG, client.0.write_all(&message)).await.unwrap();
    drop(client);
    server.emptied().await;
    drop(consumer);
}

#[tokio::test]
async fn a_slow_frame_in_either_direction_excuses_the_answer_behind_it() {
    let (server, django) = pinging(Duration::from_secs(1)).await;
    let (mut client, mut consumer) = opened(&server, &django, "/ws/public/").await;
    let (up, down) = (frame(0x82, &[b'x'; 40]), server_frame(0x82, &[b'x'; 40]));
    // Four times longer than a ping and its time-out, neither side can answer, and neither is given up.
    for (up, down) in up.chunks(1).zip(down.chunks(1)).take(40) {
        client.send(up).await;
        consumer.send(down).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    client.send(&up[40..]).await;
    consumer.send(&down[40..]).await;
    tokio::join!(answers_up_to_the_frame(&mut client, frame), answers_up_to_the_frame(&mut consumer, server_frame));
}

/// Answers the pings that came before the frame did, and those after it until all is told.
async fn answers_up_to_the_frame(connection: &mut Client, frame: fn(u8, &[u8]) -> Vec<u8>) {
    loop {
        match connection.see().await {
            Seen::Frame { first: 0x89, payload } => connection.send(&frame(0x8a, &payload)).await,
            Seen::Frame { first: 0x82, payload } if payload == [b'x'; 40] => return,
            other => panic!("{other:?}"),
        }
    }
}
