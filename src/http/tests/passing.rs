//! What reaches Django, and what comes back.

use std::time::Duration;

use super::*;
use crate::{
    test_support::{Account, Folder},
    websocket::tests::raw_request,
};

#[tokio::test]
async fn a_request_reaches_django_as_it_was_sent_with_the_clients_address() {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    let request = raw_request(
        "PATCH",
        "//admin/%2F%C3%A9/?next=%2F&a=1&a=2&uuid=x#part",
        &[
            ("Host", "Example.com:8080"),
            ("Cookie", "sessionid=1"),
            ("X-Custom", "\u{e9}"),
            ("Content-Length", "3"),
            ("Connection", "keep-alive"),
        ],
    );
    client.send(&[&request[..], b"abc"].concat()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert_eq!(answer.headers["server"], "raw");
    let seen = django.seen()[0].clone();
    let expected = b"PATCH //admin/%2F%C3%A9/?next=%2F&a=1&a=2&uuid=x HTTP/1.1\r\nhost: Example.com:8080\r\n\
        cookie: sessionid=1\r\nx-custom: \xe9\r\ncontent-length: 3\r\nx-forwarded-for: 127.0.0.1\r\n\r\nabc";
    assert_eq!(seen, String::from_utf8_lossy(expected));
}

#[tokio::test]
async fn a_clients_trace_goes_on_to_django_and_what_is_none_does_not() {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    for trace in [own, "00-xyz"] {
        client.send(&raw_request("GET", "/", &[("Host", "a"), ("Traceparent", trace), ("Tracestate", "v=1")])).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let seen = String::from_utf8(django.seen.lock().unwrap()[0].clone()).unwrap();
    let traces: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("traceparent: ")).collect();
    assert!(traces.len() == 2 && traces[0] == own && traces[1].len() == own.len() && traces[1] != own, "{seen}");
    assert_eq!(seen.matches("tracestate: v=1").count(), 1, "it belongs to the client's own");
}

#[tokio::test]
async fn the_ticket_view_and_health_are_ours_and_everything_else_is_djangos() {
    let django = Recorder::start(|connection| connection.answer_all("404 Not Found", "Django's")).await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    for (path, status) in [("/ticket/", 401), ("/healthz", 200), ("/readyz", 200)] {
        client.send(&raw_request("GET", path, &[("Host", "a")])).await;
        assert_eq!(client.answer().await.status, status, "{path}");
    }
    assert_eq!(django.requests(), [""; 0]);
    for path in ["/", "/ticket", "/ticket/a", "/healthz/"] {
        client.send(&raw_request("GET", path, &[("Host", "a")])).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "Django's"), "{path}");
    }
    assert_eq!(django.requests().len(), 4);
}

#[tokio::test]
async fn connections_to_django_are_used_again_but_not_after_they_were_idle_for_long() {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    for _ in 0..5 {
        let mut client = gate.connect().await;
        client.send(&raw_request("GET", "/", &[("Host", "a")])).await;
        assert_eq!(client.answer().await.status, 200);
        // The connection goes back once its answer has been read.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(django.seen().len(), 1);
    tokio::time::sleep(Duration::from_millis(1700)).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("POST", "/", &[("Host", "a"), ("Content-Length", "0")])).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(django.seen().len(), 2);
}

#[tokio::test]
async fn a_server_that_closes_each_connection_or_every_third_loses_no_request() {
    for keeps in [1, 3] {
        let django = Recorder::start(move |mut connection: Connection| async move {
            for number in 1..=keeps {
                if connection.request().await.is_none() {
                    return;
                }
                let last = if number == keeps { "connection: close\r\n" } else { "" };
                connection.write(&format!("HTTP/1.1 200 OK\r\n{last}content-length: 2\r\n\r\nok")).await;
            }
        })
        .await;
        let gate = Arc::new(Gate::before(&django.address).await);
        let clients = (0..8).map(|number| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let mut client = gate.connect().await;
                for _ in 0..20 {
                    let body = "x".repeat(number);
                    let head = raw_request("POST", "/", &[("Host", "a"), ("Content-Length", &number.to_string())]);
                    client.send(&[&head[..], body.as_bytes()].concat()).await;
                    assert_eq!(client.answer().await.status, 200);
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        assert_eq!(django.requests().len(), 160, "each came once");
    }
}

#[tokio::test]
async fn a_get_is_sent_again_where_django_closed_the_connection_just_then() {
    let django = Recorder::start(async |mut connection: Connection| {
        connection.request().await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        // Taken, and not answered: as a server that closes an idle connection.
        connection.request().await;
    })
    .await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    for _ in 0..2 {
        client.send(&raw_request("GET", "/", &[("Host", "a")])).await;
        assert_eq!(client.answer().await.status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(django.requests().len(), 3);
    client.send(&raw_request("POST", "/", &[("Host", "a"), ("Content-Length", "0")])).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_failed"), "a POST may have been carried out");
    assert_eq!(django.requests().len(), 4);
}

#[tokio::test]
async fn answers_without_a_body_keep_their_headers() {
    for (method, head, expected) in [
        ("HEAD", "200 OK\r\ncontent-length: 1234", vec![("content-length", Some("1234"))]),
        ("HEAD", "200 OK\r\ntransfer-encoding: chunked", vec![("content-length", None), ("transfer-encoding", None)]),
        ("HEAD", "200 OK", vec![("content-length", None), ("transfer-encoding", None)]),
        ("GET", "204 No Content", vec![("content-length", None), ("transfer-encoding", None)]),
        ("GET", "204 No Content\r\ncontent-length: 5", vec![("content-length", None), ("transfer-encoding", None)]),
        ("GET", "304 Not Modified\r\netag: \"1\"", vec![("content-length", None), ("etag", Some("\"1\""))]),
        ("GET", "304 Not Modified\r\ncontent-length: 77", vec![("content-length", Some("77"))]),
        ("GET", "200 OK\r\ncontent-length: 0", vec![("content-length", Some("0"))]),
    ] {
        let django = Recorder::start(move |mut connection: Connection| async move {
            while connection.request().await.is_some() {
                connection.write(&format!("HTTP/1.1 {head}\r\n\r\n")).await;
            }
        })
        .await;
        let gate = Gate::before(&django.address).await;
        let mut client = gate.connect().await;
        client.send(&raw_request(method, "/", &[("Host", "a")])).await;
        let mut bytes = vec![0; 4096];
        let read = timeout(LONG, client.0.read(&mut bytes)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&bytes[..read]).into_owned();
        for (name, value) in expected {
            let line = answer.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            assert_eq!(line, value, "{method} {head}: {answer}");
        }
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        client.send(&raw_request("GET", "/ticket/", &[("Host", "a")])).await;
        assert_eq!(client.answer().await.status, 401, "{method} {head}: the connection goes on");
    }
}

#[tokio::test]
async fn the_words_behind_a_status_are_djangos() {
    for status in ["418 Short and Stout", "299 ", "200 Fine", "404 Not Found"] {
        let django = Recorder::start(move |connection| connection.answer_all(status, "")).await;
        let gate = Gate::before(&django.address).await;
        let answer = gate.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_to_continue_is_told() {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    let headers = [("Host", "a"), ("Content-Length", "4"), ("Expect", "100-continue")];
    client.send(&raw_request("POST", "/", &headers)).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 100);
    client.send(b"body").await;
    assert_eq!(client.answer().await.status, 200);
    let seen = django.seen().concat();
    assert!(!seen.to_lowercase().contains("expect") && seen.ends_with("\r\n\r\nbody"), "{seen}");
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_in_its_own_form() {
    let django = Recorder::start(async |mut connection: Connection| {
        while connection.request().await.is_some() {
            let body = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
            connection.write(body).await;
        }
    })
    .await;
    let gate = Gate::before(&django.address).await;
    let answer = gate.send(b"GET /old HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "{answer}");
    let seen = django.seen().concat();
    assert!(seen.starts_with(&format!("GET /old HTTP/1.1\r\nhost: {}\r\n", gate.address)), "{seen}");
}

#[tokio::test]
async fn the_whole_server_and_a_body_under_get_are_asked_for_as_they_were() {
    let django = Recorder::ordinary().await;
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("OPTIONS", "*", &[("Host", "a")])).await;
    assert_eq!(client.answer().await.status, 200);
    let chunked = raw_request("GET", "/search", &[("Host", "a"), ("Transfer-Encoding", "chunked")]);
    client.send(&[&chunked[..], b"3\r\nabc\r\n0\r\n\r\n"].concat()).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(django.requests(), ["OPTIONS * HTTP/1.1", "GET /search HTTP/1.1"]);
    assert!(django.seen().concat().ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{:?}", django.seen());
}

#[tokio::test]
async fn a_unix_socket_takes_requests_like_any_other_server() {
    let folder = Folder::new(Account::Own);
    let django = Recorder::on_socket(folder.path().join("django.sock"));
    let gate = Gate::before(&django.address).await;
    let mut client = gate.connect().await;
    client.send(&raw_request("GET", "/", &[("Host", "a")])).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(django.requests(), ["GET / HTTP/1.1"]);
}
