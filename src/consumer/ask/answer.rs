//! What a view answers. Whatever is not of the form that docs/ask.md states is no answer.

use crate::{
    channel_layer,
    consumer::Close,
    python::{Value, json},
};

/// The longest `context`, in bytes of JSON.
const MAX_CONTEXT: usize = 4096;

/// What a view wants done, in this order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// To be kept in the place of the context of before.
    pub(crate) context: Option<Value>,
    /// One of those that the client offers. Only at connect.
    pub(crate) subprotocol: Option<String>,
    /// `groups`, which only connect has, and `group_add`.
    pub(crate) group_add: Vec<String>,
    pub(crate) group_discard: Vec<String>,
    /// A message to the client, as `json.dumps` writes it.
    pub(crate) send: Option<String>,
    pub(crate) group_send: Vec<GroupSend>,
    /// At connect it refuses, and nothing else is done.
    pub(crate) close: Option<Close>,
}

/// An event for a group.
#[derive(Debug, PartialEq)]
pub(crate) struct GroupSend {
    pub(crate) group: String,
    pub(crate) event: channel_layer::Value,
}

/// Which question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connect,
    Receive,
    Disconnect,
}

/// What is wrong with an answer. Names keys of ours alone: what a view says reaches no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidAnswer {
    #[error("it is no JSON object")]
    NoObject,
    #[error("it has a key that this question's answer cannot have")]
    UnknownKey,
    #[error("`{0}` is not of its form")]
    Form(&'static str),
    #[error("`{0}` has a name that is none of a group")]
    Group(&'static str),
    #[error("`close` has a code or a reason that no WebSocket can be closed with")]
    Close,
    #[error("`context` is longer than {MAX_CONTEXT} bytes")]
    Context,
    #[error("`subprotocol` is none that the client offers")]
    Subprotocol,
}

use InvalidAnswer::{Form, Group, NoObject, UnknownKey};

impl Answer {
    /// Reads the body of an answer. `offered`: the client's subprotocols.
    ///
    /// # Errors
    ///
    /// [`InvalidAnswer`] says what is not of its form.
    pub(super) fn read(body: &[u8], phase: Phase) -> Result<Self, InvalidAnswer> {
        let Ok(Value::Dict(entries)) = json::loads(body) else { return Err(NoObject) };
        let mut answer = Self::default();
        for (name, value) in entries {
            match (name.as_str(), phase) {
                ("close" | "context" | "group_add" | "group_discard" | "send", Phase::Connect | Phase::Receive)
                | ("groups" | "subprotocol", Phase::Connect)
                | ("group_send", _) => {}
                _ => return Err(UnknownKey),
            }
            if value == Value::None {
                continue;
            }
            match name.as_str() {
                "close" => answer.close = Some(close(&value)?),
                "context" => answer.context = Some(context(value)?),
                "groups" => answer.group_add.extend(groups("groups", value)?),
                "group_add" => answer.group_add.extend(groups("group_add", value)?),
                "group_discard" => answer.group_discard = groups("group_discard", value)?,
                "group_send" => answer.group_send = group_sends(value)?,
                "send" => answer.send = Some(json::dumps(&value).map_err(|_| Form("send"))?),
                "subprotocol" => answer.subprotocol = Some(text(value).ok_or(Form("subprotocol"))?),
                _ => return Err(UnknownKey),
            }
        }
        Ok(answer)
    }

    /// The same, if its subprotocol is one of `offered`.
    pub(super) fn with_offered(self, offered: &[String]) -> Result<Self, InvalidAnswer> {
        let is_offered = self.subprotocol.as_ref().is_none_or(|chosen| offered.contains(chosen));
        if is_offered { Ok(self) } else { Err(InvalidAnswer::Subprotocol) }
    }
}

/// A code, or `{"code": 4001, "reason": "..."}`.
fn close(value: &Value) -> Result<Close, InvalidAnswer> {
    let (code, reason) = match value {
        Value::Dict(entries) if entries.iter().all(|(name, _)| name == "code" || name == "reason") => {
            let reason = match value.get("reason") {
                None | Some(Value::None) => "",
                Some(reason) => reason.as_str().ok_or(Form("close"))?,
            };
            (value.get("code").ok_or(Form("close"))?, reason)
        }
        code => (code, ""),
    };
    let Value::Int(code) = code else { return Err(Form("close")) };
    u16::try_from(*code).ok().and_then(|code| Close::new(code, reason)).ok_or(InvalidAnswer::Close)
}

fn context(value: Value) -> Result<Value, InvalidAnswer> {
    if !matches!(value, Value::Dict(_)) {
        return Err(Form("context"));
    }
    let length = json::dumps(&value).map_err(|_| Form("context"))?.len();
    if length > MAX_CONTEXT { Err(InvalidAnswer::Context) } else { Ok(value) }
}

/// One name, or a list of them.
fn groups(key: &'static str, value: Value) -> Result<Vec<String>, InvalidAnswer> {
    let names = match value {
        Value::List(names) => names,
        name => vec![name],
    };
    names.into_iter().map(|name| group(key, name)).collect()
}

fn group(key: &'static str, name: Value) -> Result<String, InvalidAnswer> {
    let name = text(name).ok_or(Form(key))?;
    if channel_layer::is_valid_group_name(&name) { Ok(name) } else { Err(Group(key)) }
}

/// `{"group": ..., "event": {"type": ..., ...}}`, or a list of such.
fn group_sends(value: Value) -> Result<Vec<GroupSend>, InvalidAnswer> {
    let sends = match value {
        Value::List(sends) => sends,
        send => vec![send],
    };
    sends.into_iter().map(group_send).collect()
}

fn group_send(value: Value) -> Result<GroupSend, InvalidAnswer> {
    const KEY: &str = "group_send";
    let Value::Dict(entries) = value else { return Err(Form(KEY)) };
    let (mut named, mut event) = (None, None);
    for (name, value) in entries {
        match name.as_str() {
            "group" => named = Some(group(KEY, value)?),
            "event" if has_type(&value) => event = channel_layer::Value::from_python(value),
            _ => return Err(Form(KEY)),
        }
    }
    Ok(GroupSend { group: named.ok_or(Form(KEY))?, event: event.ok_or(Form(KEY))? })
}

/// Whether some consumer can take it. Whoever receives it could not tell which view has sent it.
fn has_type(event: &Value) -> bool {
    event.get("type").and_then(Value::as_str).is_some_and(channel_layer::is_valid_event_type)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(phase: Phase, body: &str) -> Result<Answer, InvalidAnswer> {
        Answer::read(body.as_bytes(), phase)
    }

    #[test]
    fn every_key_is_read() {
        let answer = read(
            Phase::Connect,
            r#"{"context": {"org": 3}, "subprotocol": "v2", "groups": ["a", "b"], "group_add": "c",
                "group_discard": ["d"], "send": {"b": 1, "a": ["\u00e9", 1.0]},
                "group_send": {"group": "a", "event": {"type": "room.joined", "n": 1}},
                "close": {"code": 4001, "reason": "full"}}"#,
        );
        let event = channel_layer::Value::map([("type", "room.joined".into()), ("n", 1.into())]);
        assert_eq!(
            answer,
            Ok(Answer {
                context: Some(Value::Dict(vec![("org".to_owned(), Value::Int(3))])),
                subprotocol: Some("v2".to_owned()),
                group_add: ["a", "b", "c"].map(str::to_owned).into(),
                group_discard: vec!["d".to_owned()],
                send: Some(r#"{"b": 1, "a": ["\u00e9", 1.0]}"#.to_owned()),
                group_send: vec![GroupSend { group: "a".to_owned(), event }],
                close: Close::new(4001, "full"),
            })
        );
    }

    #[test]
    fn null_is_as_if_the_key_were_not_there() {
        let all = r#"{"close": null, "context": null, "groups": null, "group_add": null, "group_discard": null,
                      "send": null, "group_send": null, "subprotocol": null}"#;
        assert_eq!(read(Phase::Connect, all), Ok(Answer::default()));
        assert_eq!(read(Phase::Receive, "{}"), Ok(Answer::default()));
    }

    #[test]
    fn a_message_may_be_any_json_and_several_events_stand_in_a_list() {
        for (json, sent) in [("[1, 2]", "[1, 2]"), ("\"x\"", "\"x\""), ("false", "false"), ("NaN", "NaN")] {
            let answer = read(Phase::Receive, &format!(r#"{{"send": {json}}}"#)).unwrap();
            assert_eq!(answer.send.as_deref(), Some(sent));
        }
        let two = r#"{"group_send": [{"group": "a", "event": {"type": "t"}}, {"group": "b", "event": {"type": "t"}}]}"#;
        let groups = read(Phase::Disconnect, two).unwrap().group_send.into_iter().map(|send| send.group);
        assert_eq!(groups.collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn anything_else_is_no_answer() {
        for (body, error) in [
            ("", NoObject),
            ("[]", NoObject),
            ("null", NoObject),
            ("<html>", NoObject),
            (r#"{"send": 1} "#, NoObject),
            (r#"{"sends": {}}"#, UnknownKey),
            (r#"{"groups": ["a"]}"#, UnknownKey),
            (r#"{"subprotocol": "v2"}"#, UnknownKey),
            (r#"{"groups": null}"#, UnknownKey),
            (r#"{"close": true}"#, Form("close")),
            (r#"{"close": "4001"}"#, Form("close")),
            (r#"{"close": 4001.0}"#, Form("close")),
            (r#"{"close": {"reason": "x"}}"#, Form("close")),
            (r#"{"close": {"code": 4001, "why": "x"}}"#, Form("close")),
            (r#"{"close": {"code": 4001, "reason": 1}}"#, Form("close")),
            (r#"{"close": 1006}"#, InvalidAnswer::Close),
            (r#"{"close": 70000}"#, InvalidAnswer::Close),
            (r#"{"close": -1}"#, InvalidAnswer::Close),
            (r#"{"context": [1]}"#, Form("context")),
            (r#"{"context": "x"}"#, Form("context")),
            (r#"{"context": {"a": "\ud800"}}"#, Form("context")),
            (r#"{"send": "\ud800"}"#, Form("send")),
            (r#"{"group_add": 1}"#, Form("group_add")),
            (r#"{"group_add": ["a", null]}"#, Form("group_add")),
            (r#"{"group_add": "a b"}"#, Group("group_add")),
            (r#"{"group_add": ""}"#, Group("group_add")),
            (r#"{"group_discard": ["a", "b!"]}"#, Group("group_discard")),
            (r#"{"group_send": "a"}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a"}}"#, Form("group_send")),
            (r#"{"group_send": {"event": {"type": "t"}}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": "t"}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": {"n": 1}}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": {"type": 1}}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": {"type": ""}}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": {"type": "_t"}}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": {"type": ".t"}}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a", "event": {"type": "t"}, "x": 1}}"#, Form("group_send")),
            (r#"{"group_send": {"group": "a!", "event": {"type": "t"}}}"#, Group("group_send")),
        ] {
            let body = body.strip_suffix(' ').map_or(body.to_owned(), |body| format!("{body}x"));
            assert_eq!(read(Phase::Receive, &body), Err(error), "{body}");
        }
    }

    #[test]
    fn who_has_left_can_be_sent_nothing() {
        for key in ["close", "context", "groups", "group_add", "group_discard", "send", "subprotocol"] {
            assert_eq!(read(Phase::Disconnect, &format!("{{\"{key}\": 4001}}")), Err(UnknownKey), "{key}");
        }
    }

    #[test]
    fn a_context_has_4096_bytes() {
        let context = |length: usize| format!(r#"{{"context": {{"a": "{}"}}}}"#, "x".repeat(length));
        let around = r#"{"a": ""}"#.len();
        assert!(read(Phase::Receive, &context(MAX_CONTEXT - around)).is_ok());
        assert_eq!(read(Phase::Receive, &context(MAX_CONTEXT - around + 1)), Err(InvalidAnswer::Context));
    }

    #[test]
    fn a_subprotocol_is_one_that_the_client_offers() {
        let answer = || read(Phase::Connect, r#"{"subprotocol": "v2"}"#).unwrap();
        assert!(answer().with_offered(&["v1".to_owned(), "v2".to_owned()]).is_ok());
        assert_eq!(answer().with_offered(&["v1".to_owned()]), Err(InvalidAnswer::Subprotocol));
        assert!(Answer::default().with_offered(&[]).is_ok());
    }
}
