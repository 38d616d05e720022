//! What a view is asked.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::answer::Phase;
use crate::{
    python::{
        Value,
        json::{self, JsonStyle, Unserializable},
    },
    trace::Trace,
};

/// As `json.dumps` writes it, and UUIDs, of users and of captures, as text.
const STYLE: JsonStyle = JsonStyle::drf(false, false, None);

/// What all questions about one socket have in common. It holds a query string and headers: there is no `Debug`.
#[derive(Clone)]
pub(crate) struct About {
    /// The JSON from `"user"` to `"channel_name"`, without braces.
    json: std::sync::Arc<str>,
    channel_name: Box<str>,
    /// The client's subprotocols.
    offered: Box<[String]>,
    trace: Option<Trace>,
}

/// What a handshake says besides its path, for the questions of a route that has some.
#[derive(Clone)]
pub(crate) struct AskScope {
    /// Without the ticket.
    pub(crate) query: Value,
    /// Those that `forward_headers` names.
    pub(crate) headers: Value,
    /// What the client offers.
    pub(crate) subprotocols: Vec<String>,
    /// The one that it belongs to, and so do the questions.
    pub(crate) trace: Option<Trace>,
}

/// The parts of [`About`], in the order in which they are written. What is `None` is not known, and not written.
pub(super) struct Facts<'a> {
    /// The user's primary key.
    pub(super) user: Value,
    /// The route, as written.
    pub(super) route: &'a str,
    /// What the path captured.
    pub(super) kwargs: Vec<(String, Value)>,
    pub(super) scope: Option<AskScope>,
    pub(super) channel_name: Option<String>,
}

impl About {
    /// # Errors
    ///
    /// [`Unserializable`]: text that is no Unicode.
    pub(super) fn new(facts: Facts<'_>) -> Result<Self, Unserializable> {
        let user = Value::Dict(vec![("id".to_owned(), facts.user)]);
        let (query, headers, offered, trace) = match facts.scope {
            Some(AskScope { query, headers, subprotocols, trace }) => {
                (Some(query), Some(headers), Some(subprotocols), trace)
            }
            None => (None, None, None, None),
        };
        let subprotocols = offered.as_ref().map(|names| Value::List(names.iter().cloned().map(Value::Str).collect()));
        let known = [
            ("user", Some(user)),
            ("route", Some(Value::Str(facts.route.to_owned()))),
            ("kwargs", Some(Value::Dict(facts.kwargs))),
            ("query", query),
            ("headers", headers),
            ("subprotocols", subprotocols),
            ("channel_name", facts.channel_name.clone().map(Value::Str)),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let json = json::dumps_with(&Value::Dict(known.collect()), STYLE)?;
        Ok(Self {
            json: json[1..json.len() - 1].into(),
            channel_name: facts.channel_name.unwrap_or_default().into(),
            offered: offered.unwrap_or_default().into(),
            trace,
        })
    }

    /// What was [written down](Self::written).
    pub(super) fn of(channel_name: &str, json: &str) -> Self {
        Self { json: json.into(), channel_name: channel_name.into(), offered: Box::default(), trace: None }
    }

    /// To be read again by another process.
    pub(super) fn written(&self) -> &std::sync::Arc<str> {
        &self.json
    }

    pub(super) fn offered(&self) -> &[String] {
        &self.offered
    }

    pub(super) fn trace(&self) -> Option<Trace> {
        self.trace
    }

    pub(super) fn channel_name(&self) -> &str {
        &self.channel_name
    }
}

/// What a question is about, besides its socket.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    Connect,
    /// A frame.
    Receive(AskedFrame<'a>),
    /// The close code.
    Disconnect(u16),
}

/// A frame that a view is asked about.
#[derive(Clone, Copy)]
pub(crate) enum AskedFrame<'a> {
    /// Text that is JSON: it becomes the question's `content`, digit by digit as the client wrote it.
    Content(&'a str),
    /// Text that is none.
    Text(&'a str),
    /// A binary frame, which becomes `bytes`, as Base64.
    Bytes(&'a [u8]),
}

impl Asked<'_> {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Connect => Phase::Connect,
            Self::Receive(_) => Phase::Receive,
            Self::Disconnect(_) => Phase::Disconnect,
        }
    }

    /// The question, as JSON. `context` is JSON, too.
    pub(super) fn body(&self, about: &About, context: Option<&str>) -> String {
        let kind = match self {
            Self::Connect => "connect",
            Self::Receive(_) => "receive",
            Self::Disconnect(_) => "disconnect",
        };
        let mut body = format!(r#"{{"type": "websocket.{kind}", {}"#, about.json);
        let mut add = |name: &str, json: &str| {
            for part in [", \"", name, "\": ", json] {
                body.push_str(part);
            }
        };
        if let Some(context) = context {
            add("context", context);
        }
        match self {
            Self::Connect => {}
            Self::Receive(AskedFrame::Content(json)) => add("content", json),
            Self::Receive(AskedFrame::Text(text)) => {
                // Text has a form in JSON.
                let text = json::dumps(&Value::Str((*text).to_owned())).unwrap_or_default();
                add("text", &text);
            }
            Self::Receive(AskedFrame::Bytes(bytes)) => add("bytes", &format!("\"{}\"", STANDARD.encode(bytes))),
            Self::Disconnect(code) => add("code", &code.to_string()),
        }
        body.push('}');
        body
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    fn facts() -> Facts<'static> {
        Facts {
            user: Value::Int(7),
            route: "ws/room/<slug:room>/",
            kwargs: vec![("room".to_owned(), text("lobby"))],
            scope: Some(AskScope {
                query: Value::Dict(vec![("tab".to_owned(), text("é"))]),
                headers: Value::Dict(vec![("accept-language".to_owned(), text("de"))]),
                subprotocols: vec!["v2".to_owned(), "v1".to_owned()],
                trace: None,
            }),
            channel_name: Some("specific.ab!cd".to_owned()),
        }
    }

    #[test]
    fn a_question_has_these_keys_in_this_order() {
        let about = About::new(facts()).unwrap();
        let common = concat!(
            r#""user": {"id": 7}, "route": "ws/room/<slug:room>/", "kwargs": {"room": "lobby"}, "#,
            r#""query": {"tab": "\u00e9"}, "headers": {"accept-language": "de"}, "#,
            r#""subprotocols": ["v2", "v1"], "channel_name": "specific.ab!cd""#
        );
        assert_eq!(Asked::Connect.body(&about, None), format!(r#"{{"type": "websocket.connect", {common}}}"#));
        let frame = Asked::Receive(AskedFrame::Content(r#"{"n": 1.50, "t": "\ud800"}"#));
        assert_eq!(
            frame.body(&about, Some(r#"{"org": 3}"#)),
            format!(
                r#"{{"type": "websocket.receive", {common}, "context": {{"org": 3}}, "content": {{"n": 1.50, "t": "\ud800"}}}}"#
            )
        );
        assert_eq!(
            Asked::Disconnect(1001).body(&about, None),
            format!(r#"{{"type": "websocket.disconnect", {common}, "code": 1001}}"#)
        );
    }

    #[test]
    fn text_and_bytes_are_told_from_json() {
        let about = About::new(facts()).unwrap();
        let text = Asked::Receive(AskedFrame::Text("{\"é\n")).body(&about, None);
        assert!(text.ends_with(r#", "text": "{\"\u00e9\n"}"#), "{text}");
        let bytes = Asked::Receive(AskedFrame::Bytes(&[0, 255])).body(&about, None);
        assert!(bytes.ends_with(r#", "bytes": "AP8="}"#), "{bytes}");
    }

    #[test]
    fn what_is_not_known_is_left_out_and_a_uuid_is_text() {
        let facts = Facts { user: Value::Uuid(Uuid::nil()), scope: None, channel_name: None, ..facts() };
        let body = Asked::Connect.body(&About::new(facts).unwrap(), None);
        let user = r#"{"id": "00000000-0000-0000-0000-000000000000"}"#;
        assert_eq!(
            body,
            format!(
                r#"{{"type": "websocket.connect", "user": {user}, "route": "ws/room/<slug:room>/", "kwargs": {{"room": "lobby"}}}}"#
            )
        );
    }
}
