use super::*;

#[tokio::test]
async fn frames_of_any_kind_pass_as_they_are_both_ways() {
    let (_server, _django, mut client, mut consumer) = one().await;
    let frames: Vec<Vec<u8>> = vec![
        text("hello"),
        frame(0x82, &[0, 255, 7]),
        frame(0x01, b"first "),
        frame(0x00, b"second "),
        frame(0x80, b"last"),
        // What compression says, and what nobody knows: the upstream is to judge.
        frame(0xc1, b"deflated"),
        frame(0xb1, b"?"),
        frame(0x81, b"\xff"),
        frame(0x80, b"stray"),
        text(""),
        frame(0x82, &[b'x'; 126]),
        frame(0x82, &[b'x'; 70_000]),
    ];
    let all = frames.concat();
    client.send(&all).await;
    let mut received = vec![0; all.len()];
    timeout(LONG, consumer.0.read_exact(&mut received)).await.unwrap().unwrap();
    assert!(received == all, "the bytes that came are not those that were sent");
    let answers: Vec<u8> = frames.iter().flat_map(|frame| server_frame(frame[0], &vec![b'y'; frame.len()])).collect();
    consumer.send(&answers).await;
    let mut received = vec![0; answers.len()];
    timeout(LONG, client.0.read_exact(&mut received)).await.unwrap().unwrap();
    assert!(received == answers, "the bytes that came are not those that were sent");
}

#[tokio::test]
async fn a_dialogue_cut_at_every_byte_is_the_same_dialogue() {
    let (_server, _django, mut client, mut consumer) = one().await;
    let said =
        [frame(0x01, b"ab"), frame(0x89, b"ping"), frame(0x80, b"cd"), frame(0x8a, b"stray"), frame(0x82, &[1; 130])];
    let passed = [frame(0x01, b"ab"), frame(0x80, b"cd"), frame(0x82, &[1; 130])].concat();
    for byte in said.concat() {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    let mut received = vec![0; passed.len()];
    timeout(LONG, consumer.0.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, passed);
    assert_eq!(client.see().await, Seen::pong(b"ping"));
    let said = [server_frame(0x01, b"ab"), server_frame(0x89, b"ping"), server_frame(0x80, b"cd")];
    for byte in said.concat() {
        consumer.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.see().await, Seen::Frame { first: 0x01, payload: b"ab".to_vec() });
    assert_eq!(client.see().await, Seen::Frame { first: 0x80, payload: b"cd".to_vec() });
    assert_eq!(consumer.see().await, Seen::pong(b"ping"));
}

#[tokio::test]
async fn what_is_said_behind_the_handshakes_is_passed_on() {
    let (server, django) = beside(|_| {}).await;
    let mut client = server.connect().await;
    client.send(&[request("/ws/public/", &[]), text("early"), frame(0x81, b"later")[..3].to_vec()].concat()).await;
    let mut asked = django.asked().await;
    let accept = derive_accept_key(asked.header("sec-websocket-key").unwrap().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    asked.connection.send(&[answer.as_bytes(), &server_frame(0x81, b"hello")].concat()).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.see().await, Seen::text("hello"));
    assert_eq!(asked.connection.see().await, Seen::text("early"));
    client.send(&frame(0x81, b"later")[3..]).await;
    assert_eq!(asked.connection.see().await, Seen::text("later"));
}

#[tokio::test]
async fn pings_are_answered_here_on_each_side_and_go_no_further() {
    let (_server, _django, mut client, mut consumer) = one().await;
    client.send(&[frame(0x89, b"from the client"), frame(0x8a, b"unasked")].concat()).await;
    assert_eq!(client.see().await, Seen::pong(b"from the client"));
    consumer.send(&[server_frame(0x89, b"from Django"), server_frame(0x8a, b"")].concat()).await;
    assert_eq!(consumer.see().await, Seen::pong(b"from Django"));
    sees_nothing(&mut client).await;
    sees_nothing(&mut consumer).await;
}

#[tokio::test]
async fn an_answer_to_a_ping_waits_for_the_end_of_a_frame_and_not_of_a_message() {
    let (_server, _django, mut client, mut consumer) = one().await;
    let long = server_frame(0x02, &[b'x'; 1000]);
    consumer.send(&long[..500]).await;
    let mut half = vec![0; 500];
    client.0.read_exact(&mut half).await.unwrap();
    client.send(&frame(0x89, b"?")).await;
    sees_nothing(&mut client).await;
    // The frame's end and the beginning of the next come together.
    consumer.send(&[&long[500..], &server_frame(0x80, b"end")[..2]].concat()).await;
    let mut rest = vec![0; long.len() - 500];
    client.0.read_exact(&mut rest).await.unwrap();
    assert_eq!([half, rest].concat(), long);
    assert_eq!(client.see().await, Seen::pong(b"?"));
    consumer.send(&server_frame(0x80, b"end")[2..]).await;
    assert_eq!(client.see().await, Seen::Frame { first: 0x80, payload: b"end".to_vec() });
}

/// Writes until the other side takes no more. Answers how much that was.
async fn fill(connection: &mut Client, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match timeout(Duration::from_millis(500), connection.0.write(&bytes[written..])).await {
            Ok(count) => written += count.unwrap(),
            Err(_) => break,
        }
    }
    written
}

#[tokio::test]
async fn a_message_of_64_mib_streams_and_who_does_not_read_holds_up_who_writes() {
    let (_server, _django, mut client, mut consumer) = one().await;
    let message = vec![b'x'; 64 << 20];
    for is_up in [true, false] {
        let bytes = if is_up { frame(0x82, &message) } else { server_frame(0x82, &message) };
        let (from, to) = if is_up { (&mut client, &mut consumer) } else { (&mut consumer, &mut client) };
        let written = fill(from, &bytes).await;
        // The kernel's buffers of two connections, and one read of ours.
        assert!(written < 32 << 20, "{written}");
        let reading = async {
            let mut received = vec![0; bytes.len()];
            to.0.read_exact(&mut received).await.unwrap();
            received
        };
        let (sent, received) = tokio::join!(from.0.write_all(&bytes[written..]), timeout(LONG, reading));
        sent.unwrap();
        assert!(received.unwrap() == bytes);
    }
}
