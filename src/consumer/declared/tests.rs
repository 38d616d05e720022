use std::time::Duration;

use serde_json::json;

use super::*;
use crate::consumer::{DeclaredAction, DeclaredReceive, Recorder};

fn rule(when: serde_json::Value, reply: serde_json::Value) -> DeclaredReceive {
    let action = DeclaredAction { reply: Some(DeclaredOutput::Json(reply)), ..DeclaredAction::default() };
    DeclaredReceive { when: when.as_object().unwrap().clone(), action, ..DeclaredReceive::default() }
}

fn options(rules: &[DeclaredReceive]) -> DeclaredOptions {
    DeclaredOptions { receive: rules.to_vec(), ..DeclaredOptions::default() }
}

fn declared(rules: &[DeclaredReceive]) -> Declared {
    compile("ws/<str:room>/<int:number>/", &["room".to_owned(), "number".to_owned()], &options(rules)).unwrap()
}

fn connection() -> Connection {
    recorded().1
}

fn recorded() -> (Arc<Recorder>, Connection) {
    let recorder = Arc::new(Recorder::default());
    let connection = recorder.connection(&[("room", Value::Str("lobby".to_owned())), ("number", Value::Int(7))]);
    (recorder, connection)
}

fn reply_to(declared: &Declared, frame: &Frame) -> Option<Result<String, String>> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(473_352);
    let reply = declared.reply(frame, &connection(), now)?;
    Some(reply.map_err(|error| error.to_string()))
}

fn reply(reply: serde_json::Value, frame: &str) -> Result<String, String> {
    reply_to(&declared(&[rule(json!({}), reply)]), &Frame::Text(frame.to_owned())).unwrap()
}

#[test]
fn a_text_that_is_one_expression_keeps_its_type() {
    let frame = r#"{"message": "hi", "n": 3, "f": 1.0, "list": [1, {"b": null, "a": true}]}"#;
    assert_eq!(reply(json!("{{ content }}"), frame).unwrap(), frame);
    assert_eq!(reply(json!("{{ content.n }}"), frame).unwrap(), "3");
    assert_eq!(reply(json!("{{ content.n + 1 }}"), frame).unwrap(), "4");
    assert_eq!(reply(json!("{{ content.f }}"), frame).unwrap(), "1.0");
    assert_eq!(reply(json!("{{ content['list'][1].a }}"), frame).unwrap(), "true");
    assert_eq!(reply(json!(" {{ content.n }}"), frame).unwrap(), r#"" 3""#);
    assert_eq!(reply(json!("{{ room }}-{{ number }}"), frame).unwrap(), r#""lobby-7""#);
    assert_eq!(reply(json!("{{ content.n if content.f else 'no' }}"), frame).unwrap(), "3");
}

#[test]
fn numbers_survive_that_json_libraries_lose() {
    let frame = "[18446744073709551616, -170141183460469231731687303715884105729, NaN, -Infinity, 1e+22, -0.0]";
    assert_eq!(reply(json!("{{ content }}"), frame).unwrap(), frame);
    assert_eq!(
        reply(json!({"n": "{{ content[1] }}"}), frame).unwrap(),
        format!("{{\"n\": {}}}", frame.split(", ").nth(1).unwrap())
    );
}

#[test]
fn the_whole_reply_is_json_as_python_writes_it() {
    let template = json!({
        "z": "{{ user.id }}", "a": ["{{ user.username }}", "{{ number }}", 1, null],
        "query": "{{ query.lang }}", "agent": "{{ headers['user-agent'] }}", "now": "{{ now }}", "é": "plain {text}",
    });
    assert_eq!(
        reply(template, "1").unwrap(),
        concat!(
            r#"{"z": 1, "a": ["alice", 7, 1, null], "query": "de", "agent": "test", "#,
            r#""now": "2024-01-01T00:00:00+00:00", "\u00e9": "plain {text}"}"#
        )
    );
}

#[test]
fn text_and_bytes_are_what_came() {
    let declared = declared(&[rule(
        json!({}),
        json!(["{{ text is defined }}", "{{ bytes is defined }}", "{{ content is defined }}"]),
    )]);
    assert_eq!(reply_to(&declared, &Frame::Text("{}".to_owned())).unwrap().unwrap(), "[true, false, true]");
    assert_eq!(reply_to(&declared, &Frame::Text("{".to_owned())).unwrap().unwrap(), "[true, false, false]");
    assert_eq!(reply_to(&declared, &Frame::Binary(b"{}".to_vec())).unwrap().unwrap(), "[false, true, false]");
    assert_eq!(reply(json!("{{ text }}"), "<b>&\"").unwrap(), r#""<b>&\"""#, "nothing is escaped but JSON");
}

#[test]
fn the_first_rule_that_fits_counts() {
    let declared = declared(&[
        rule(json!({"action": "typing", "n": 1}), json!("first")),
        rule(json!({"action": "typing"}), json!("second")),
        rule(json!({"deep": {"a": [1]}}), json!("third")),
    ]);
    let reply = |frame: &str| reply_to(&declared, &Frame::Text(frame.to_owned())).map(Result::unwrap);
    assert_eq!(reply(r#"{"n": 1.0, "action": "typing", "more": 2}"#).unwrap(), r#""first""#);
    assert_eq!(reply(r#"{"n": true, "action": "typing"}"#).unwrap(), r#""second""#);
    assert_eq!(reply(r#"{"deep": {"a": [1]}}"#).unwrap(), r#""third""#);
    for frame in [r#"{"action": "other"}"#, "[]", "no json", "\"action\"", r#"{"deep": {"a": [1], "b": 2}}"#] {
        assert_eq!(reply(frame), None, "{frame}");
    }
    assert_eq!(reply_to(&declared, &Frame::Binary(br#"{"action": "typing"}"#.to_vec())), None);
}

#[tokio::test]
async fn an_undefined_result_is_an_error_and_the_socket_lives() {
    let declared = Arc::new(declared(&[rule(json!({}), json!({"message": "{{ content.message }}"}))]));
    assert_eq!(
        reply_to(&declared, &Frame::Text("{}".to_owned())).unwrap().unwrap_err(),
        "undefined value in {{ content.message }}"
    );
    assert!(reply(json!("to {{ content.message }}"), "{}").is_err());
    assert!(reply(json!("{{ content.a.b }}"), "{}").is_err());
    let (recorder, mut connection) = recorded();
    let mut consumer = Arc::clone(&declared).consumer();
    for frame in ["{}", "no json", r#"{"message": "hi"}"#] {
        consumer.receive(Frame::Text(frame.to_owned()), &mut connection).await.unwrap();
    }
    assert_eq!(recorder.texts(), [r#"{"message": "hi"}"#]);
    assert_eq!(declared.failures.load(Ordering::Relaxed), 2);
}

#[test]
fn what_json_cannot_hold_is_an_error() {
    let declared = declared(&[rule(json!({}), json!("{{ bytes }}"))]);
    let error = reply_to(&declared, &Frame::Binary(vec![0])).unwrap().unwrap_err();
    assert_eq!(error, "Object of type bytes is not JSON serializable");
    assert!(reply(json!("{{ content }}"), r#""\ud800""#).is_err(), "its text was not kept");
}

#[test]
fn a_frame_cannot_burn_cpu() {
    let spin = json!("{% for a in range(content) %}{% for b in range(content) %}x{% endfor %}{% endfor %}");
    let started = std::time::Instant::now();
    assert!(reply(spin, "90000").is_err());
    assert!(reply(json!("{{ 'x' * content }}"), "100000000000").is_err());
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_frame_cannot_overflow_the_stack() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    for template in ["{{ content }}", "text: {{ content }}", "{{ content == content }}", "{{ content|tojson }}"] {
        assert!(reply(json!(template), &nested(MAX_DEPTH)).is_ok(), "{template}");
        assert!(reply(json!(template), &nested(MAX_DEPTH + 1)).unwrap_err().contains("128 containers"), "{template}");
        let objects = format!("{}1{}", r#"{"a":"#.repeat(MAX_DEPTH), "}".repeat(MAX_DEPTH));
        assert!(reply(json!(template), &objects).is_ok(), "{template}");
    }
}

#[test]
fn errors_never_show_what_the_client_sent() {
    let error = reply(json!("{{ content.secret + 1 }}"), r#"{"secret": "hunter2"}"#).unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn mistakes_are_found_when_settings_are_read() {
    let problems = |reply| {
        compile("ws/<room>/", &["room".to_owned()], &options(&[rule(json!({}), reply)])).unwrap_err().join("\n")
    };
    assert!(problems(json!("{{ contnet.message }}")).contains("did you mean `content`?"));
    assert!(problems(json!(["{{ roam }}"])).contains("did you mean `room`?"));
    assert!(problems(json!({"a": "{{ 1 + }}"})).contains("is no template"));
    assert!(problems(json!("{% if %}")).contains("is no template"));
    assert!(problems(json!("{{ text|nosuchfilter }} x")).contains("nosuchfilter"));
    assert!(problems(json!("{{ text|nosuchfilter }}")).contains("nosuchfilter"));
    assert!(
        compile("ws/", &[], &options(&[rule(json!({}), json!("{% for x in range(3) %}{{ x }}{% endfor %}"))])).is_ok()
    );
}

#[test]
fn what_is_sliced_is_given_and_checked() {
    assert_eq!(reply(json!("{{ text[:3] }}"), "hello").unwrap(), r#""hel""#);
    assert_eq!(reply(json!("{{ content.message[:3] }}!"), r#"{"message": "hello"}"#).unwrap(), r#""hel!""#);
    let problems = compile("ws/", &[], &options(&[rule(json!({}), json!("{{ nosuch[:3] }}"))])).unwrap_err().join("\n");
    assert!(problems.contains("know no `nosuch`"), "{problems}");
}

#[test]
fn only_what_templates_read_is_kept() {
    let declared = declared(&[rule(json!({}), json!("{{ query.a }}"))]);
    assert!(declared.reads("query") && !declared.reads("headers"));
}
