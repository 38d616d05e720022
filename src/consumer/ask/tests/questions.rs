use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Answer, Ask, AskFailed, AskParts, AskedFrame, Asks, signature::SigningKey},
    KEY, about, ask, ask_with, options, settings, url,
    view::{FakeView, answer, ok},
};
use crate::{
    consumer::{AskOptions, AskSettings, AskUrl},
    python::Value,
    secret::Secret,
    upstream::{Address, Upstream, UpstreamOptions},
};

#[tokio::test]
async fn a_question_is_one_signed_post() {
    let view = FakeView::start(|_| ok(r#"{"send": {"state": 1}}"#)).await;
    let answer = ask(view.port).connect(&about("specific.a!b")).await.unwrap();
    assert_eq!(answer, Answer { send: Some(r#"{"state": 1}"#.to_owned()), ..Answer::default() });
    let [question] = &view.asked()[..] else { panic!("asked once") };
    assert!(question.head.starts_with("post /sockets/room/ http/1.1\r\n"), "{}", question.head);
    assert!(question.head.contains("\r\ncontent-type: application/json\r\n"), "{}", question.head);
    assert!(question.head.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", view.port)), "{}", question.head);
    let signature = question.head.lines().find_map(|line| line.strip_prefix("x-sluicegate-signature: ")).unwrap();
    let seconds: u64 = signature.split_once('.').unwrap().0.parse().unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    assert!(at.elapsed().unwrap() < Duration::from_secs(10));
    assert_eq!(SigningKey::new(&Secret::new(KEY)).header(question.body.as_bytes(), at), signature);
    assert!(question.body.starts_with(r#"{"type": "websocket.connect", "user": {"id": 7}, "#), "{}", question.body);
}

#[tokio::test]
async fn a_view_on_the_upstream_is_asked_as_django_lets_in() {
    let view = FakeView::start(|number| if number == 0 { ok("{}") } else { None }).await;
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: view.port };
    let upstream =
        UpstreamOptions { health_host: Some("rooms.example.com".to_owned()), ..UpstreamOptions::new(vec![address]) };
    let parts = AskParts { upstream: Some(Upstream::start(upstream)), ..AskParts::default() };
    let ssl = ("HTTP_X_FORWARDED_PROTO".to_owned(), "https".to_owned());
    let asks = Asks::new(&settings(), Some(&ssl), parts);
    let options = AskOptions { url: AskUrl::Path("/sockets/caf%C3%A9/?v=1".to_owned()), ..options(String::new()) };
    let ask = Ask::new(&asks, "ws/", &options).unwrap();
    ask.connect(&about("c")).await.unwrap();
    let failed = ask.connect(&about("c")).await.unwrap_err();
    assert!(matches!(failed, AskFailed::Broken(_)), "{failed:?}");
    let asked = view.asked();
    assert_eq!(asked.len(), 2, "none is asked twice");
    assert!(asked[0].head.starts_with("post /sockets/caf%c3%a9/?v=1 http/1.1\r\n"), "{}", asked[0].head);
    for header in ["host: rooms.example.com", "x-forwarded-proto: https", "content-type: application/json"] {
        assert!(asked[0].head.lines().any(|line| line == header), "{}", asked[0].head);
    }
}

#[tokio::test]
async fn a_frame_is_asked_about_with_the_context() {
    let view = FakeView::start(|_| Some("HTTP/1.1 204 No Content\r\n\r\n".to_owned())).await;
    let context = Value::Dict(vec![("org".to_owned(), Value::Int(3))]);
    let ask = ask(view.port);
    let answer = ask.receive(&about("c"), Some(&context), AskedFrame::Content(r#"{"action": "message"}"#)).await;
    assert_eq!(answer.unwrap(), Answer::default());
    let body = &view.asked()[0].body;
    assert!(body.ends_with(r#""context": {"org": 3}, "content": {"action": "message"}}"#), "{body}");
}

#[tokio::test]
async fn anything_but_an_answer_is_a_failure() {
    let large = format!("{{\"send\": \"{}\"}}", "x".repeat(1024 * 1024));
    let answers = [
        answer("500 Internal Server Error", "{}"),
        answer("403 Forbidden", "{}"),
        "HTTP/1.1 302 Found\r\nlocation: /login/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        answer("201 Created", "{}"),
        answer("200 OK", ""),
        answer("200 OK", "<html>"),
        answer("200 OK", r#"{"subprotocol": "v2"}"#),
        answer("200 OK", &large),
        "no HTTP at all\r\n\r\n".to_owned(),
    ];
    let count = answers.len();
    let view = FakeView::start(move |number| Some(answers[number].clone())).await;
    let mut failures = Vec::new();
    for _ in 0..count {
        // A new client each time: a broken answer ends its connection.
        failures.push(ask(view.port).connect(&about("c")).await.unwrap_err());
    }
    let statuses: Vec<_> = failures
        .iter()
        .filter_map(|failed| if let AskFailed::Status(status) = failed { Some(*status) } else { None })
        .collect();
    assert_eq!(statuses, [500, 403, 302, 201]);
    assert!(failures[4..7].iter().all(|failed| matches!(failed, AskFailed::Invalid(_))), "{failures:?}");
    assert!(failures[7..].iter().all(|failed| matches!(failed, AskFailed::Broken(_))), "{failures:?}");
    assert_eq!(view.asked().len(), count, "none is asked twice");
}

#[tokio::test]
async fn a_failure_says_nothing_of_what_was_answered() {
    let view = FakeView::start(|_| ok(r#"{"secret-key": "secret-value", "send": "secret"}"#)).await;
    let failed = ask(view.port).connect(&about("c")).await.unwrap_err();
    assert!(!format!("{failed} {failed:?}").contains("secret"), "{failed:?}");
}

#[tokio::test]
async fn a_question_whose_connection_breaks_is_not_asked_twice() {
    let view = FakeView::start(|number| if number == 0 { ok("{}") } else { None }).await;
    let ask = ask(view.port);
    ask.connect(&about("c")).await.unwrap();
    let failed = ask.connect(&about("c")).await.unwrap_err();
    assert!(matches!(failed, AskFailed::Broken(_)), "{failed:?}");
    assert_eq!(view.asked().len(), 2);
}

#[tokio::test]
async fn a_view_that_nobody_serves_cannot_be_reached() {
    let port = crate::test_support::free_port();
    assert!(matches!(ask(port).connect(&about("c")).await, Err(AskFailed::Unreachable(_))));
}

#[tokio::test]
async fn the_time_limit_is_for_the_whole_answer() {
    let view = FakeView::start(|_| Some("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned())).await;
    let mut options = options(url(view.port));
    options.timeout = Duration::from_millis(200);
    let begun = Instant::now();
    let failed = ask_with(&options, &settings(), AskParts::default()).connect(&about("c")).await.unwrap_err();
    assert!(matches!(failed, AskFailed::Late(_)), "{failed:?}");
    assert!((200..2000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn open_questions_are_bounded_and_the_wait_for_a_place_too() {
    let view = FakeView::start(|_| Some(String::new())).await;
    let mut options = options(url(view.port));
    options.timeout = Duration::from_millis(300);
    let settings = AskSettings { max_open: 2, ..settings() };
    let ask = ask_with(&options, &settings, AskParts::default());
    let about = about("c");
    let (one, two, three) = tokio::join!(ask.connect(&about), ask.connect(&about), ask.connect(&about));
    assert!(matches!((one, two), (Err(AskFailed::Late(_)), Err(AskFailed::Late(_)))));
    assert!(matches!(three, Err(AskFailed::Busy(_) | AskFailed::Late(_))));
    assert_eq!(view.asked().len(), 2);
    // Their places are free again.
    assert!(matches!(ask.connect(&about).await, Err(AskFailed::Late(_))));
    assert_eq!(view.asked().len(), 3);
}

#[test]
fn what_cannot_be_asked_is_named() {
    let asks = Asks::new(&settings(), None, AskParts::default());
    let problem = |url| Ask::new(&asks, "ws/", &AskOptions { url, ..options(String::new()) }).err().unwrap_or_default();
    assert!(problem(AskUrl::Path("/sockets/".to_owned())).contains("[upstream]"));
    for url in ["", "sockets/", "ftp://host/", "a b"] {
        assert!(!problem(AskUrl::Url(url.to_owned())).is_empty(), "{url}");
    }
    let keyless = Asks::new(&AskSettings::default(), None, AskParts::default());
    assert!(Ask::new(&keyless, "ws/", &options("http://host/".to_owned())).err().unwrap().contains("[ask] key"));
}
