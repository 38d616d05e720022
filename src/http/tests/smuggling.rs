//! Bytes that two servers may read in two ways: what reaches Django is nothing, or one request that cannot be mistaken.

use super::*;

/// What reached Django, each request from its first line to the end of its body, without the headers that say nothing
/// about where it ends.
async fn reached(bytes: &[u8]) -> (String, Vec<String>) {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    let _ = client.0.write_all(bytes).await;
    // So that the connection ends: most of these leave it open for the next request.
    let _ = client.0.write_all(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let answer = rest(&mut client).await;
    (answer, django.seen())
}

/// Refused: Django sees nothing, and the connection is closed with what follows unread.
async fn refused(name: &str, bytes: &[u8]) {
    let (answer, seen) = reached(bytes).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{name}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: nothing behind it is read: {answer}");
    assert_eq!(seen.concat(), "", "{name}");
}

/// Passed on in this form.
async fn passed(name: &str, bytes: &[u8], expected: &[&str]) {
    let (answer, seen) = reached(bytes).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), expected.len(), "{name}: {answer}");
    assert_eq!(seen.concat(), expected.concat(), "{name}");
}

const LAST: &str = "GET /last HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}").into_bytes()
}

#[tokio::test]
async fn a_length_beside_a_coding_is_dropped_and_nothing_follows() {
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nx-forwarded-for: 127.0.0.1\r\n\r\n0\r\n\r\n";
    for headers in [
        "Content-Length: 42\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 42",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: chunked\r\nContent-Length: x",
    ] {
        let (answer, seen) = reached(&post(headers, smuggled)).await;
        let seen = seen.concat();
        assert!(!seen.contains("smuggled") && !seen.contains("content-length"), "{headers}: {seen}");
        assert_eq!(sorted(&seen), sorted(chunked), "{headers}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: {answer}");
    }
}

/// A request's lines, whatever the order of its headers.
fn sorted(request: &str) -> Vec<&str> {
    let mut lines: Vec<_> = request.lines().collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn codings_other_than_chunked_are_refused() {
    for headers in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding\t: chunked",
        "X: a\r\n Transfer-Encoding: chunked",
    ] {
        refused(headers, &post(headers, "0\r\n\r\n")).await;
    }
    refused("of HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn lengths_that_are_no_single_number_are_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 5, 5",
        "Content-Length: 5, 6",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5.0",
        "Content-Length:",
        "Content-Length: 18446744073709551617",
        "Content-Length : 5",
        "Content-Length: 5\r\n ",
        "Content-Length: 5\r\n\t5",
    ] {
        refused(headers, &post(headers, "hello")).await;
    }
}

#[tokio::test]
async fn two_equal_lengths_are_one() {
    passed(
        "equal lengths",
        &post("Content-Length: 5\r\nContent-Length: 5", "hello"),
        &["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx-forwarded-for: 127.0.0.1\r\n\r\nhello", LAST],
    )
    .await;
}

#[tokio::test]
async fn lines_that_are_folded_or_broken_are_refused() {
    for (name, bytes) in [
        ("obs-fold", &b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n Host: b\r\n\r\n"[..]),
        ("obs-fold by a tab", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\t2\r\n\r\n"),
        ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\x002\r\n\r\n"),
        ("CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-Forwarded-For: 6.6.6.6\r\n\r\n"),
        ("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\x00A: 1\r\n\r\n"),
        ("a name with a space", b"GET / HTTP/1.1\r\nHost: a\r\nX A: 1\r\n\r\n"),
        ("no name", b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n"),
        ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nX-A\r\n\r\n"),
        ("a space in the target", b"GET /a /b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another version", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ("no version", b"GET /\r\nHost: a\r\n\r\n"),
        ("a CR in the target", b"GET /a\rX:b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a NUL in the target", b"GET /a\x00 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        refused(name, bytes).await;
    }
}

#[tokio::test]
async fn lines_that_end_in_a_line_feed_alone_are_written_anew() {
    let seen = "GET /a HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";
    passed("bare LF", b"GET /a HTTP/1.1\nHost: a\nX-A: 1\n\n", &[seen, LAST]).await;
}

#[tokio::test]
async fn more_than_one_host_is_refused() {
    for (name, bytes) in [
        ("two hosts", &b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"[..]),
        ("the same twice", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ("none", b"GET / HTTP/1.1\r\n\r\n"),
        ("another one in the target", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a user in the target", b"GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n"),
        ("a tunnel", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        ("an authority as target", b"GET a:80 HTTP/1.1\r\nHost: b\r\n\r\n"),
    ] {
        refused(name, bytes).await;
    }
}

#[tokio::test]
async fn a_target_with_the_same_host_is_passed_on_as_a_path() {
    let seen = "GET /a?b=1 HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";
    passed("absolute form", b"GET http://a/a?b=1 HTTP/1.1\r\nHost: a\r\n\r\n", &[seen, LAST]).await;
    passed("https", b"GET https://A/a?b=1 HTTP/1.1\r\nHost: a\r\n\r\n", &[seen, LAST]).await;
}

#[tokio::test]
async fn chunks_are_written_anew() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";
    for (name, body, seen) in [
        ("extensions", "5;a=b;c\r\nhello\r\n0;x\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        (
            "trailers",
            "5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nContent-Length: 3\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
    ] {
        let (answer, seen_by_django) = reached(&post("Transfer-Encoding: chunked", body)).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{name}: {answer}");
        let all = seen_by_django.concat();
        let first = all.strip_suffix(LAST).unwrap_or_else(|| panic!("{name}: {all}"));
        assert!(first.ends_with(&format!("\r\n\r\n{seen}")), "{name}: {first}");
        assert_eq!(sorted(first), sorted(&format!("{head}{seen}")), "{name}");
    }
}

#[tokio::test]
async fn chunks_that_are_none_end_the_request() {
    for (name, body) in [
        ("a size that overflows", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a size that is no number", "5g\r\nhello\r\n0\r\n\r\n"),
        ("a signed size", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
        ("a line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ] {
        let (answer, seen) = reached(&post("Transfer-Encoding: chunked", body)).await;
        let seen = seen.concat();
        assert!(!seen.contains("0\r\n\r\n") && !seen.contains("/last"), "{name}: the request never ends: {seen}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn requests_that_follow_each_other_are_two() {
    let first = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx-forwarded-for: 127.0.0.1\r\n\r\nhello";
    let second = "GET /second HTTP/1.1\r\nhost: b\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";
    let bytes = [&post("Content-Length: 5", "hello")[..], b"GET /second HTTP/1.1\r\nHost: b\r\n\r\n"].concat();
    passed("pipelined", &bytes, &[first, second, LAST]).await;
}

#[tokio::test]
async fn a_body_of_a_view_of_ours_is_no_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!("GET /ticket/ HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", smuggled.len());
    let (answer, seen) = reached(format!("{head}{smuggled}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(!seen.concat().contains("smuggled"), "{seen:?}");
}

#[tokio::test]
async fn a_client_cannot_take_the_proxys_word_out() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Forwarded-For, Host, Cookie\r\nCookie: a=1\r\n\
        X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n";
    let seen = "GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1\r\nx-forwarded-for: 1.1.1.1\r\n\r\n";
    passed("Connection", bytes, &[seen, LAST]).await;
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn a_handshake_that_could_be_more_than_one_reaches_nobody() {
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, line, headers) in [
        ("two hosts", "GET /ws/ HTTP/1.1", "Host: a\r\nHost: b\r\n"),
        ("no host", "GET /ws/ HTTP/1.1", ""),
        ("another host in the target", "GET http://b/ws/ HTTP/1.1", "Host: a\r\n"),
        ("a body", "GET /ws/ HTTP/1.1", "Host: a\r\nContent-Length: 47\r\n"),
        ("chunks", "GET /ws/ HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n"),
        ("a folded line", "GET /ws/ HTTP/1.1", "Host: a\r\nSec-WebSocket-Protocol: a\r\n X-Forwarded-For: 6.6.6.6\r\n"),
        ("CR in a protocol", "GET /ws/ HTTP/1.1", "Host: a\r\nSec-WebSocket-Protocol: a\rX-Forwarded-For: 6.6.6.6\r\n"),
        ("NUL in an origin", "GET /ws/ HTTP/1.1", "Host: a\r\nOrigin: http://a\0\r\n"),
        ("two keys", "GET /ws/ HTTP/1.1", "Host: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        ("a line break in the target", "GET /ws/?a=\r\nX: b HTTP/1.1", "Host: a\r\n"),
    ] {
        let bytes = format!("{line}\r\n{headers}{UPGRADE}\r\n{smuggled}");
        let (answer, seen) = reached(bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        // A connection is tried before the ticket is redeemed; nothing is sent.
        assert_eq!(seen.concat(), "", "{name}");
    }
}

#[tokio::test]
async fn what_follows_a_refused_handshake_is_not_read() {
    let bytes = format!(
        "GET /ws/?a=%0d%0aX:b HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\n{UPGRADE}\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    );
    let (answer, seen) = reached(bytes.as_bytes()).await;
    let seen = seen.concat();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "what Django says to it: {answer}");
    assert!(!seen.contains("smuggled") && !seen.contains("6.6.6.6"), "{seen}");
    assert!(seen.starts_with("GET /ws/?a=%0d%0aX:b HTTP/1.1\r\n"), "{seen}");
    assert_eq!(seen.to_lowercase().matches("\r\nconnection: upgrade\r\n").count(), 1, "{seen}");
    assert_eq!(seen.matches("\r\n\r\n").count(), 1, "{seen}");
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_an_ordinary_request() {
    let bytes = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
        HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let (answer, seen) = reached(bytes).await;
    let seen = seen.concat();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(seen.starts_with("GET /a HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 127.0.0.1\r\n\r\n"), "{seen}");
}
