//! Templates of declared routes, filled in with what clients and Django send.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::{halves, is_same};
use crate::{
    channel_layer::{Message, event_from_msgpack},
    consumer::{
        Declared, DeclaredAction, DeclaredEvent, DeclaredOptions, DeclaredOutput, DeclaredReceive, Frame, compile,
    },
    python::json::{loads, loads_str},
};

/// The first passes on what it is given.
const TEMPLATES: [&str; 12] = [
    "{{ X }}",
    "a text: {{ X }}",
    "{{ X.message }}",
    "{{ X['a'][0].b }}",
    "{{ [X, {'x': X}, X == X, X is defined] }}",
    "{{ X|tojson }}",
    "{{ X|length }} {{ X|list }} {{ X|string|upper }}",
    "{{ X|sort }} {{ X|unique }} {{ X|first }} {{ X|join(', ') }}",
    "{{ X + 1 }} {{ X * 3 }} {{ X // 7 }} {{ X ** 2 }} {{ -X }}",
    "{{ X[1:3] }} {{ X[::-1] }}",
    "{% for item in X %}{{ item }}{% for other in X %}{{ other in X }}{% endfor %}{% endfor %}",
    "{{ X|default('x')|int }} {{ X|float }} {{ X|round }} {{ X|title }} {{ X|dictsort }} {{ X|items }}",
];

static ROUTES: LazyLock<Vec<Declared>> = LazyLock::new(|| {
    let route = |template: &&str| {
        let output = |name| Some(DeclaredOutput::Json(Json::from(template.replace('X', name))));
        let action = DeclaredAction { reply: output("content"), ..DeclaredAction::default() };
        let when = match json!({ "rule": 2 }) {
            Json::Object(when) => when,
            _ => serde_json::Map::new(),
        };
        let options = DeclaredOptions {
            receive: vec![
                DeclaredReceive { when, action: action.clone(), ..DeclaredReceive::default() },
                DeclaredReceive { action, ..DeclaredReceive::default() },
            ],
            events: vec![DeclaredEvent {
                event_type: "a.b".to_owned(),
                except: Some("{{ event.sender|default(none) }}".to_owned()),
                send: output("event"),
                close: None,
            }],
            ..DeclaredOptions::default()
        };
        compile("fuzz/", &[], &options).expect("templates of ours")
    };
    TEMPLATES.iter().map(route).collect()
});

/// `data` is a text frame and, after a byte 255, an event in msgpack.
///
/// # Panics
///
/// Where JSON that is sent is no JSON, and where a template that passes a frame on changes it.
pub fn templates(data: &[u8]) {
    let (frame, event) = halves(data, 255);
    if let Ok(text) = std::str::from_utf8(frame) {
        let frame = Frame::Text(text.to_owned());
        for (index, route) in ROUTES.iter().enumerate() {
            let Some((content, Frame::Text(reply))) = route.reply(&frame) else { continue };
            let read = loads_str(&reply).expect("a reply is JSON");
            if index == 0 {
                assert!(is_same(&read, &content.expect("it was read")), "a frame was changed: {reply}");
            }
        }
    }
    let Some(event) = event_from_msgpack(event) else { return };
    let message = Message::new(event, 0);
    for route in ROUTES.iter() {
        if let Some(Frame::Text(sent)) = route.sent_to_all(&message) {
            loads(sent.as_bytes()).expect("what is sent is JSON");
        }
    }
}
