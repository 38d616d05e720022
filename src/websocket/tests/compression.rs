use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::*;
use crate::websocket::DeflateOptions;

const OFFER: (&str, &str) = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");

fn compressing() -> Setup {
    let mut setup = Setup::new();
    setup.websocket.compression = Some(DeflateOptions::default());
    setup.websocket.max_message_size = 1024 * 1024;
    setup.routes = vec![
        declared("ws/length/", serde_json::json!("{{ text|length if text is defined else bytes|length }}")),
        declared("ws/long/", serde_json::json!("{{ text * 1000 }}")),
    ];
    setup
}

/// A socket that offered compression, and the extension that was agreed on.
async fn opened(server: &TestServer, path: &str) -> (Client, Option<String>) {
    let ticket = Ticket::new().expose();
    server.setup.tickets.put(&ticket, Value::Int(1));
    let mut client = server.connect().await;
    let answer = client.handshake(&format!("{path}?uuid={ticket}"), &[OFFER]).await;
    assert_eq!(answer.status, 101, "{}", answer.body);
    (client, answer.headers.get("sec-websocket-extensions").cloned())
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(payload.len() + 100);
    Compress::new(Compression::best(), false).compress_vec(payload, &mut compressed, FlushCompress::Sync).unwrap();
    assert_eq!(compressed.split_off(compressed.len() - 4), [0, 0, 0xff, 0xff]);
    compressed
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut inflated = Vec::with_capacity(2 * 1024 * 1024);
    Decompress::new(false).decompress_vec(&payload, &mut inflated, FlushDecompress::Sync).unwrap();
    inflated
}

#[tokio::test]
async fn compression_is_agreed_on_only_where_it_is_on_and_offered() {
    let server = compressing().start().await;
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(opened(&server, "/ws/length/").await.1.as_deref(), Some(agreed));
    let (_, answer) = server.handshake("/ws/length/").await;
    assert_eq!(answer.headers.get("sec-websocket-extensions"), None, "not offered");
    let server = TestServer::start().await;
    assert_eq!(opened(&server, "/ws/chat/").await.1, None, "off");
}

#[tokio::test]
async fn messages_are_inflated_whole_or_in_fragments_and_mixed_with_others() {
    let server = compressing().start().await;
    let (mut client, _) = opened(&server, "/ws/length/").await;
    let payload = deflated(&vec![b'x'; 100_000]);
    client.send(&frame(0xc1, &payload)).await;
    assert_eq!(client.see().await, Seen::text("100000"));
    let (first, rest) = payload.split_at(7);
    client.send(&frame(0x42, first)).await;
    client.send(&frame(0x89, b"in between")).await;
    client.send(&frame(0x00, b"")).await;
    client.send(&frame(0x80, rest)).await;
    assert_eq!(client.see().await, Seen::pong(b"in between"));
    assert_eq!(client.see().await, Seen::text("100000"));
    client.send(&[text("plain"), frame(0xc2, &deflated(b"")), frame(0xc1, &deflated("é".as_bytes()))].concat()).await;
    for length in ["5", "0", "1"] {
        assert_eq!(client.see().await, Seen::text(length));
    }
}

#[tokio::test]
async fn long_answers_leave_compressed_and_short_ones_as_they_are() {
    let server = compressing().start().await;
    let (mut client, _) = opened(&server, "/ws/long/").await;
    client.send(&text("x")).await;
    let Seen::Frame { first: 0x81, payload } = client.see().await else { panic!("not a plain text") };
    assert_eq!(payload.len(), 1002, "below the least size");
    client.send(&text("xy")).await;
    let Seen::Frame { first: 0xc1, payload } = client.see().await else { panic!("not compressed") };
    assert!(payload.len() < 100, "{}", payload.len());
    assert_eq!(inflated(&payload), format!("\"{}\"", "xy".repeat(1000)).into_bytes());
    let mut plain = server.socket("/ws/long/").await;
    plain.send(&text("xy")).await;
    let Seen::Frame { first: 0x81, .. } = plain.see().await else { panic!("nobody offered compression") };
}

#[tokio::test]
async fn a_bomb_is_closed_with_1009_and_nonsense_with_1002() {
    let server = compressing().start().await;
    let bomb = deflated(&vec![0; 50 * 1024 * 1024]);
    for (bytes, code, reason) in [
        (frame(0xc2, &bomb), 1009, "frame exceeds limit of 1048576 bytes"),
        (frame(0xc1, &[0xff; 9]), 1002, "decompression failed"),
        (frame(0xc1, &deflated(b"\xc3\x28")), 1007, ""),
        (frame(0xc9, b""), 1002, "reserved bits must be 0"),
    ] {
        let (mut client, _) = opened(&server, "/ws/length/").await;
        client.send(&[frame(0xc1, &deflated(b"before")), bytes].concat()).await;
        assert_eq!(client.see_all().await, [Seen::text("6"), Seen::close(code, reason), Seen::Eof]);
    }
    let (mut client, _) = opened(&server, "/ws/length/").await;
    client.send(&frame(0xc2, &deflated(&vec![0; 1024 * 1024]))).await;
    assert_eq!(client.see().await, Seen::text("1048576"), "exactly the limit");
}
