use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::*;

const LIMIT: usize = 16 * 1024 * 1024;

fn counting() -> Setup {
    let mut setup = Setup::new();
    setup.routes = vec![
        declared("ws/length/", serde_json::json!("{{ text|length if text is defined else bytes|length }}")),
        declared("ws/chat/", serde_json::json!("{{ content }}")),
    ];
    setup
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_accepted() {
    let server = counting().start().await;
    let mut client = server.socket("/ws/length/").await;
    client.send(&frame(0x81, &vec![b'x'; LIMIT])).await;
    assert_eq!(client.see().await, Seen::text("16777216"));
    let half = vec![b'x'; LIMIT / 2];
    client.send(&frame(0x02, &half)).await;
    client.send(&frame(0x80, &half)).await;
    assert_eq!(client.see().await, Seen::text("16777216"), "the sum of the fragments counts");
    client.send(&text("x")).await;
    assert_eq!(client.see().await, Seen::text("1"));
}

#[tokio::test]
async fn long_answers_to_messages_that_came_at_once_are_all_sent() {
    let mut setup = Setup::new();
    setup.routes = vec![declared("ws/long/", serde_json::json!("{{ text * 1000 }}"))];
    let server = setup.start().await;
    for ending in [Vec::new(), frame(0x83, b"no such opcode")] {
        let mut client = server.socket("/ws/long/").await;
        client.send(&[text(&"x".repeat(1000)).repeat(20), ending].concat()).await;
        for _ in 0..20 {
            assert_eq!(client.see().await, Seen::text(&format!("\"{}\"", "x".repeat(1_000_000))));
        }
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_header() {
    let server = counting().start().await;
    let mut client = server.socket("/ws/length/").await;
    client.send(&frame(0x81, &vec![b'x'; LIMIT + 1])[..20]).await;
    let reason = "frame with 16777217 bytes exceeds limit of 16777216 bytes";
    assert_eq!(client.see_all().await, [Seen::close(1009, reason), Seen::Eof]);

    let mut client = server.socket("/ws/length/").await;
    client.send(&frame(0x01, &[b'x'; 1000])).await;
    client.send(&frame(0x80, &vec![b'x'; LIMIT])[..14]).await;
    let reason = "frame with 16777216 bytes after reading 1000 bytes exceeds limit of 16777216 bytes";
    assert_eq!(client.see_all().await, [Seen::close(1009, reason), Seen::Eof]);
}

#[tokio::test]
async fn a_peer_still_sending_what_was_refused_reads_the_close_frame() {
    let server = counting().start().await;
    let client = server.socket("/ws/length/").await;
    let (read, mut write) = client.0.into_split();
    let sender = tokio::spawn(async move {
        // Writing fails once the server is gone.
        let _ = write.write_all(&frame(0x81, &vec![b'x'; LIMIT + 1])).await;
        write
    });
    let mut read = read;
    let mut bytes = Vec::new();
    timeout(LONG, read.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes[..4], [0x88, 59, 0x03, 0xf1]);
    drop(sender.await.unwrap());
    server.emptied().await;
}

#[tokio::test]
async fn many_fragments_with_pings_between_them_are_one_message() {
    let server = counting().start().await;
    let mut client = server.socket("/ws/chat/").await;
    let message = format!("\"{}\"", "wörd🌊 ".repeat(500));
    let mut bytes = Vec::new();
    for (index, part) in message.as_bytes().chunks(3).enumerate() {
        bytes.extend(frame(u8::from(index == 0), part));
        if index % 100 == 0 {
            bytes.extend(frame(0x89, &index.to_be_bytes()));
            bytes.extend(frame(0x8a, b"nobody asked"));
            bytes.extend(frame(0x00, b""));
        }
    }
    bytes.extend(frame(0x80, b""));
    // Cut where no frame ends.
    for part in bytes.chunks(1013) {
        client.send(part).await;
        tokio::task::yield_now().await;
    }
    let parts = message.len().div_ceil(3);
    for index in (0..parts).step_by(100) {
        assert_eq!(client.see().await, Seen::pong(&index.to_be_bytes()));
    }
    let expected = crate::python::json::dumps(&crate::python::json::loads_str(&message).unwrap()).unwrap();
    assert_eq!(client.see().await, Seen::text(&expected));
}

#[tokio::test]
async fn a_socket_that_gets_one_byte_at_a_time_works() {
    let server = counting().start().await;
    let mut client = server.socket("/ws/chat/").await;
    client.0.set_nodelay(true).unwrap();
    for byte in text(r#"{"a": "é"}"#) {
        client.send(&[byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(client.see().await, Seen::text(r#"{"a": "\u00e9"}"#));
}

#[tokio::test]
async fn thousands_of_frames_in_one_write_are_all_answered_in_order() {
    let server = counting().start().await;
    let mut client = server.socket("/ws/chat/").await;
    let bytes: Vec<u8> = (0..5000).flat_map(|number| text(&number.to_string())).collect();
    client.send(&bytes).await;
    for number in 0..5000 {
        assert_eq!(client.see().await, Seen::text(&number.to_string()));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answers_is_not_read_from_either() {
    let server = counting().start().await;
    let client = server.socket("/ws/chat/").await;
    let (mut read, mut write) = client.0.into_split();
    let message = format!("\"{}\"", "x".repeat(100_000));
    let sent = tokio::spawn(async move {
        let frame = text(&message);
        for _ in 0..400 {
            write.write_all(&frame).await.unwrap();
        }
        write
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!sent.is_finished(), "the server does not take 40 MB into its memory");
    let mut left = 400 * (100_002 + 10);
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        left -= timeout(LONG, read.read(&mut buffer)).await.unwrap().unwrap();
    }
    drop(sent.await.unwrap());
}

#[tokio::test]
async fn a_client_of_another_library_gets_along() {
    let server = counting().start().await;
    server.setup.tickets.put(TICKET, Value::Int(1));
    let url = format!("ws://{}/ws/chat/?uuid={TICKET}", server.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text("[1, 2]")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("[1, 2]"));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    server.emptied().await;
}

#[tokio::test]
async fn a_frame_that_is_no_json_is_no_error_where_nothing_reads_it() {
    let server = counting().start().await;
    let mut client = server.socket("/ws/chat/").await;
    client.send(&text("not json")).await;
    client.send(&frame(0x82, b"[1]")).await;
    client.send(&text("1")).await;
    assert_eq!(client.see().await, Seen::text("1"), "the socket lives on");
}
