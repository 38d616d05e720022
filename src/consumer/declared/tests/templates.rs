//! What templates are given, and what they give.

use super::*;
use crate::consumer::{Application, declared::MAX_DEPTH};

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
    assert_eq!(reply_to(&declared, &text("{}")).unwrap(), "[true, false, true]");
    assert_eq!(reply_to(&declared, &text("{")).unwrap(), "[true, false, false]");
    assert_eq!(reply_to(&declared, &Frame::Binary(b"{}".to_vec())).unwrap(), "[false, true, false]");
    assert_eq!(reply(json!("{{ text }}"), "<b>&\"").unwrap(), r#""<b>&\"""#, "nothing is escaped but JSON");
}

#[test]
fn what_json_cannot_hold_is_an_error() {
    let declared = declared(&[rule(json!({}), json!("{{ bytes }}"))]);
    let error = reply_to(&declared, &Frame::Binary(vec![0])).unwrap_err();
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
    for template in
        ["{{ content.secret + 1 }}", "a {{ content.secret + 1 }}", "{{ content.secret|round }}", "{{ content[text] }}"]
    {
        let error = reply(json!(template), r#"{"secret": "hunter2"}"#).unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("content"), "{error}");
    }
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

#[test]
fn a_text_has_values_as_str_writes_them() {
    let frame =
        r#"{"none": null, "flag": true, "float": 1e16, "list": ["a", 1.0], "big": 123456789012345678901234567890}"#;
    let text = "{{ content.none }} {{ content.flag }} {{ content.float }} {{ content.list }} {{ content.big }}";
    assert_eq!(reply(json!(text), frame).unwrap(), r#""None True 1e+16 ['a', 1.0] 123456789012345678901234567890""#);
    assert!(reply(json!("x{{ content }}"), r#""\ud800""#).is_err(), "its text was not kept");
    assert_eq!(reply(json!("a{{ 'b' if false }}"), "1").unwrap(), r#""a""#);
}

#[test]
fn no_template_can_nest_without_end_or_show_all_that_it_is_given() {
    for text in ["{{ namespace() }}", "{{ debug() }}"] {
        let problems = compile("ws/", &[], &options(&[rule(json!({}), json!(text))])).unwrap_err().join("\n");
        assert!(problems.contains("know no"), "{problems}");
    }
}
