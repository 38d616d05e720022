//! What frames lead to.

use super::*;
use crate::consumer::{Application, Close, DeclaredClose, Failure, FrameKind, OnError};

#[test]
fn the_first_rule_that_fits_counts() {
    let declared = declared(&[
        rule(json!({"action": "typing", "n": 1}), json!("first")),
        rule(json!({"action": "typing"}), json!("second")),
        rule(json!({"deep": {"a": [1]}}), json!("third")),
    ]);
    let reply = |frame: &str| reply_to(&declared, &text(frame));
    assert_eq!(reply(r#"{"n": 1.0, "action": "typing", "more": 2}"#).unwrap(), r#""first""#);
    assert_eq!(reply(r#"{"n": true, "action": "typing"}"#).unwrap(), r#""second""#);
    assert_eq!(reply(r#"{"deep": {"a": [1]}}"#).unwrap(), r#""third""#);
    for frame in [r#"{"action": "other"}"#, "[]", "\"action\"", r#"{"deep": {"a": [1], "b": 2}}"#] {
        assert_eq!(reply(frame).unwrap_err(), "no rule of the route fits the frame", "{frame}");
    }
    assert_eq!(reply("no json").unwrap_err(), "the frame is not JSON");
    let binary = reply_to(&declared, &Frame::Binary(br#"{"action": "typing"}"#.to_vec()));
    assert_eq!(binary.unwrap_err(), "no rule of the route fits the frame");
}

#[test]
fn a_rule_may_be_for_text_or_for_bytes() {
    let text_only = DeclaredReceive { frame: FrameKind::Text, ..rule(json!({}), json!("text")) };
    let bytes =
        DeclaredAction { reply: Some(DeclaredOutput::Bytes("{{ bytes }}".to_owned())), ..DeclaredAction::default() };
    let binary = DeclaredReceive { frame: FrameKind::Binary, action: bytes, ..DeclaredReceive::default() };
    let declared = declared(&[text_only, binary]);
    assert_eq!(reply_to(&declared, &text("no json")).unwrap(), r#""text""#);
    assert_eq!(reply_to(&declared, &Frame::Binary(vec![0, 255])).unwrap(), "[0, 255]");
}

#[test]
fn text_and_bytes_are_sent_as_they_are() {
    let answer = |reply: DeclaredOutput, frame: &Frame| {
        let action = DeclaredAction { reply: Some(reply), ..DeclaredAction::default() };
        reply_to(&declared(&[DeclaredReceive { action, ..DeclaredReceive::default() }]), frame)
    };
    let text_of = |template: &str| DeclaredOutput::Text(template.to_owned());
    let bytes_of = |template: &str| DeclaredOutput::Bytes(template.to_owned());
    assert_eq!(answer(text_of("{{ text }}"), &text("é\"")).unwrap(), "é\"");
    assert_eq!(answer(text_of("{{ content.n }}"), &text(r#"{"n": 1.0}"#)).unwrap(), "1.0");
    assert_eq!(answer(text_of("plain"), &text("")).unwrap(), "plain");
    assert!(answer(text_of("{{ bytes }}"), &Frame::Binary(vec![65])).is_err());
    assert_eq!(answer(bytes_of("{{ text }}"), &text("é")).unwrap(), "[195, 169]");
    assert_eq!(answer(bytes_of("A{{ text }}"), &text("B")).unwrap(), "[65, 66]");
    assert_eq!(answer(bytes_of("{{ content }}"), &text("[1]")).unwrap_err(), "a binary message is bytes or text");
}

#[tokio::test]
async fn an_undefined_result_is_an_error_and_the_socket_lives() {
    let declared = Arc::new(declared(&[rule(json!({}), json!({"message": "{{ content.message }}"}))]));
    assert_eq!(reply_to(&declared, &text("{}")).unwrap_err(), "undefined value in {{ content.message }}");
    assert!(reply(json!("to {{ content.message }}"), "{}").is_err());
    assert!(reply(json!("{{ content.a.b }}"), "{}").is_err());
    let (recorder, mut connection) = recorded();
    let mut consumer = Arc::clone(&declared).consumer();
    for frame in ["{}", "no json", r#"{"message": "hi"}"#] {
        consumer.receive(text(frame), &mut connection).await.unwrap();
    }
    assert_eq!(recorder.texts(), [r#"{"message": "hi"}"#]);
    assert_eq!(*recorder.closed.lock().unwrap(), None);
    assert_eq!(counted(&declared), [("invalid_json", 1), ("template_failed", 1)]);
}

#[tokio::test]
async fn a_failure_closes_where_the_route_says_so() {
    let options = DeclaredOptions { on_error: OnError::Close, ..options(&[rule(json!({"a": 1}), json!(1))]) };
    let declared = Arc::new(compiled(&options));
    let (_, mut connection) = recorded();
    let mut consumer = Arc::clone(&declared).consumer();
    assert!(consumer.receive(text(r#"{"a": 1}"#), &mut connection).await.is_ok());
    let error = consumer.receive(text("{}"), &mut connection).await.unwrap_err();
    assert!(matches!(error.0, Failure::Close(close) if close.code() == 1011));
    assert_eq!(counted(&declared), [("no_rule", 1)]);
}

#[tokio::test]
async fn a_route_without_rules_takes_frames_and_ignores_them() {
    let declared = Arc::new(declared(&[]));
    let (recorder, mut connection) = recorded();
    Arc::clone(&declared).consumer().receive(text("no json"), &mut connection).await.unwrap();
    assert!(recorder.frames.lock().unwrap().is_empty() && counted(&declared).is_empty());
}

#[tokio::test]
async fn a_reply_leaves_before_the_close_and_without_a_layer_nothing_is_sent() {
    let close = Some(DeclaredClose { code: 4001, reason: "bye".to_owned() });
    let bye = DeclaredAction { close, ..replying(json!("bye")) };
    let send =
        DeclaredAction { reply: Some(DeclaredOutput::Json(json!("sent"))), ..sending("g", json!({"type": "x"})) };
    let with = |action, when: serde_json::Value| DeclaredReceive { action, ..rule(when, json!(0)) };
    let declared = Arc::new(declared(&[with(bye, json!({"a": 1})), with(send, json!({}))]));
    let (recorder, mut connection) = recorded();
    let mut consumer = Arc::clone(&declared).consumer();
    for frame in ["{}", r#"{"a": 1}"#] {
        consumer.receive(text(frame), &mut connection).await.unwrap();
    }
    assert_eq!(recorder.texts(), [r#""bye""#], "what follows an action that failed is not done");
    assert_eq!(*recorder.closed.lock().unwrap(), Close::new(4001, "bye"));
    assert_eq!(counted(&declared), [("layer_refused", 1)]);
}
