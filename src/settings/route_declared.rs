//! `[[route]]` whose consumer is declared: groups, and what frames and events lead to.

use serde_json::{Map, Value};

use super::{
    kind::Kind,
    problem::Code,
    route_ask,
    route_table::{Reader, find, first},
    toml_file::{Entry, NodeValue},
};
use crate::{
    channel_layer::{is_valid_channel_name, is_valid_event_type, is_valid_group_name},
    consumer::{
        Close, DeclaredAction, DeclaredClose, DeclaredEvent, DeclaredOptions, DeclaredOutput, DeclaredReceive,
        DeclaredTable, FrameKind, OnError,
    },
};

/// What only such a route may say.
pub(super) const NAMES: [&str; 10] = [
    "groups",
    "receive",
    "events",
    "on_connect",
    "on_disconnect",
    "ask",
    "on_error",
    "slow_client",
    "queue_messages",
    "queue_bytes",
];

const REPLIES: [&str; 3] = ["reply", "reply_text", "reply_bytes"];
const SENDS: [&str; 3] = ["send", "send_text", "send_bytes"];
const TARGETS: [&str; 2] = ["group_send", "channel_send"];
const RECEIVE_NAMES: [&str; 10] =
    ["when", "frame", "ask", "group_send", "channel_send", "event", "reply", "reply_text", "reply_bytes", "close"];
const OF_FRAMES: [&str; 3] = ["when", "frame", "ask"];
const CONNECT_NAMES: [&str; 7] = ["group_send", "channel_send", "event", "reply", "reply_text", "reply_bytes", "close"];
const DISCONNECT_NAMES: [&str; 3] = ["group_send", "channel_send", "event"];
const EVENT_NAMES: [&str; 5] = ["except", "send", "send_text", "send_bytes", "close"];

const MEND_SEND: &str =
    "group_send = \"chat_{{ room }}\"\nevent = { type = \"chat.message\", message = \"{{ content.message }}\" }";
const MEND_RECEIVE: &str = "[route.receive]\nreply = { message = \"{{ content.message }}\" }";
const MEND_EVENT: &str = "[route.events.\"chat.message\"]\nsend = { message = \"{{ event.message }}\" }";
const MEND_CLOSE: &str = "close = 4001        # or { code = 4001, reason = \"...\" }; 1000, 3000 to 4999";

/// The options; what is wrong is reported, and left out.
pub(super) fn read(entries: &[Entry], has_upstream: bool, reader: &mut Reader<'_>) -> DeclaredOptions {
    let ask = route_ask::read(entries, has_upstream, reader);
    let has_ask = find(entries, "ask").is_some();
    let receive = receives(entries, has_ask, reader);
    let on_connect =
        reader.table(entries, "on_connect", "[route.on_connect]\nreply = { welcome = \"{{ user.username }}\" }");
    let on_connect = on_connect.map(|table| {
        let table = without_frame(table.to_vec(), "on_connect", reader);
        reader.names(&table, "route.on_connect", &CONNECT_NAMES);
        action(&table, "route.on_connect", reader)
    });
    let on_disconnect =
        reader.table(entries, "on_disconnect", "[route.on_disconnect]\ngroup_send = \"chat_{{ room }}\"");
    let on_disconnect = on_disconnect.map(|table| disconnect(table, reader));
    let options = DeclaredOptions {
        groups: groups(entries, reader),
        receive,
        events: events(entries, reader),
        on_connect,
        on_disconnect,
        ask,
        on_error: match reader.value(entries, "route", "on_error", Kind::Word(&["ignore", "close"]), "").as_ref() {
            Some(Value::String(word)) if word == "close" => OnError::Close,
            _ => OnError::Ignore,
        },
    };
    if let (Some(ask), Some(entry)) = (&options.ask, find(entries, "ask"))
        && !(ask.on_connect || ask.on_disconnect || options.receive.iter().any(|receive| receive.ask))
    {
        reader.report(
            entry.line,
            Code::Route,
            "`on` is empty, and no frame is asked about: this view is never asked",
            "on = [\"connect\"]",
        );
    }
    options
}

/// The line on which a table of a route begins.
pub(super) fn line(table: &DeclaredTable, entries: &[Entry]) -> Option<usize> {
    let of = |name| find(entries, name);
    match table {
        DeclaredTable::Groups => of("groups").map(|entry| entry.line),
        DeclaredTable::Connect => of("on_connect").map(|entry| entry.line),
        DeclaredTable::Disconnect => of("on_disconnect").map(|entry| entry.line),
        DeclaredTable::Event(name) => match &of("events")?.node.value {
            NodeValue::Table(events) => find(events, name).map(|entry| entry.line),
            NodeValue::Leaf(_) | NodeValue::List(_) => None,
        },
        DeclaredTable::Receive(index) => match of("receive").map(|entry| (&entry.node.value, entry.line))? {
            (NodeValue::List(rules), _) => {
                let mut tables = rules.iter().filter(|rule| matches!(rule.value, NodeValue::Table(_)));
                tables.nth(*index).map(|rule| rule.line)
            }
            (_, line) => Some(line),
        },
    }
}

fn groups(entries: &[Entry], reader: &mut Reader<'_>) -> Vec<String> {
    let mut groups = reader.texts(entries, "route", "groups").unwrap_or_default();
    let line = find(entries, "groups").map_or(0, |entry| entry.line);
    groups.retain(|group| is_possible(group, line, "group", reader));
    groups
}

/// Whether some value of the expressions makes it a name that Channels takes.
fn is_possible(template: &str, line: usize, kind: &str, reader: &mut Reader<'_>) -> bool {
    let (literal, has_expressions) = literal(template);
    let is_valid = if kind == "group" { is_valid_group_name } else { is_valid_channel_name };
    // An expression may come out empty, or as a letter.
    let possible = if literal.is_empty() && has_expressions { "x".to_owned() } else { literal };
    if is_valid(&possible) {
        return true;
    }
    let marks = if kind == "group" { "" } else { ", with one `!` at most" };
    let sentence = format!(
        "{template:?} is no name of a {kind}: Channels takes ASCII letters, digits, `-`, `_` and `.`{marks}, up to 99 characters"
    );
    reader.report(line, Code::Route, &sentence, "");
    false
}

/// What stands outside of `{{ }}`, `{% %}` and `{# #}`, and whether anything stands within.
fn literal(template: &str) -> (String, bool) {
    let (mut literal, mut rest, mut has_expressions) = (String::new(), template, false);
    while let Some((before, end)) = ["{{", "{%", "{#"]
        .into_iter()
        .zip(["}}", "%}", "#}"])
        .filter_map(|(start, end)| rest.find(start).map(|at| (at, end)))
        .min()
    {
        has_expressions = true;
        literal.push_str(&rest[..before]);
        let inside = &rest[before + 2..];
        rest = inside.find(end).map_or("", |at| &inside[at + 2..]);
    }
    literal.push_str(rest);
    (literal, has_expressions)
}

fn receives(entries: &[Entry], has_ask: bool, reader: &mut Reader<'_>) -> Vec<DeclaredReceive> {
    let Some(entry) = find(entries, "receive") else { return Vec::new() };
    match &entry.node.value {
        NodeValue::Table(table) => vec![receive(table, entry.line, has_ask, reader)],
        NodeValue::List(tables) => tables
            .iter()
            .filter_map(|table| {
                if let NodeValue::Table(entries) = &table.value {
                    return Some(receive(entries, table.line, has_ask, reader));
                }
                reader.report(table.line, Code::Route, "`receive` is a table", "[[route.receive]]");
                None
            })
            .collect(),
        NodeValue::Leaf(_) => {
            reader.report(entry.line, Code::Route, "`receive` is a table", MEND_RECEIVE);
            Vec::new()
        }
    }
}

fn receive(entries: &[Entry], line: usize, has_ask: bool, reader: &mut Reader<'_>) -> DeclaredReceive {
    const TABLE: &str = "route.receive";
    reader.names(entries, TABLE, &RECEIVE_NAMES);
    let when = match find(entries, "when").map(|entry| (entry.node.to_json(), entry.line)) {
        None => Map::new(),
        Some((Value::Object(when), _)) => when,
        Some((_, line)) => {
            reader.report(line, Code::Route, "`when` is a table of keys and values", "when = { action = \"message\" }");
            Map::new()
        }
    };
    let frame = reader.value(entries, TABLE, "frame", Kind::Word(&["text", "binary"]), "");
    let mut ask = reader.boolean(entries, TABLE, "ask");
    if ask && !has_ask {
        let line = find(entries, "ask").map_or(line, |entry| entry.line);
        let sentence = "`ask = true` asks the view of [route.ask], and this route has none";
        reader.report(line, Code::Route, sentence, route_ask::MEND);
        ask = false;
    }
    let does = ["ask", "close"].into_iter().chain(REPLIES).chain(TARGETS).chain(["event"]);
    if first(entries, &does.collect::<Vec<_>>()).is_none() {
        let mend = "reply = { message = \"{{ content.message }}\" }";
        reader.report(line, Code::Route, "`receive` says nothing to do", mend);
    }
    DeclaredReceive {
        when,
        frame: match frame.as_ref().and_then(Value::as_str) {
            Some("text") => FrameKind::Text,
            Some("binary") => FrameKind::Binary,
            _ => FrameKind::Any,
        },
        ask,
        action: action(entries, TABLE, reader),
    }
}

fn disconnect(table: &[Entry], reader: &mut Reader<'_>) -> DeclaredAction {
    const TABLE: &str = "route.on_disconnect";
    let (gone, rest): (Vec<_>, Vec<_>) =
        table.iter().cloned().partition(|entry| REPLIES.contains(&entry.name.as_str()) || entry.name == "close");
    for entry in gone {
        let sentence = format!("`{TABLE}.{}`: the client is gone, so nothing can be sent to it", entry.name);
        reader.report(entry.line, Code::Route, &sentence, "[route.on_disconnect]\ngroup_send = \"chat_{{ room }}\"");
    }
    let rest = without_frame(rest, "on_disconnect", reader);
    reader.names(&rest, TABLE, &DISCONNECT_NAMES);
    action(&rest, TABLE, reader)
}

/// Reports what only a rule for frames may say; the rest.
fn without_frame(entries: Vec<Entry>, name: &str, reader: &mut Reader<'_>) -> Vec<Entry> {
    let (of_frame, rest): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| OF_FRAMES.contains(&entry.name.as_str()));
    for entry in of_frame {
        let what = &entry.name;
        let sentence = format!(
            "there is no setting `route.{name}.{what}`: `{what}` is about frames, and this is done without one"
        );
        let mend = match (what.as_str(), name) {
            ("ask", "on_connect") => "[route.ask]\nurl = \"/sockets/room/\"        # asked at connect by itself",
            ("ask", _) => "[route.ask]\nurl = \"/sockets/room/\"\non = [\"connect\", \"disconnect\"]",
            _ => "",
        };
        reader.report(entry.line, Code::UnknownKey, &sentence, mend);
    }
    rest
}

/// What is done for a frame, at connect or at disconnect.
fn action(entries: &[Entry], table: &str, reader: &mut Reader<'_>) -> DeclaredAction {
    let mut target = |name: &str, kind: &str| {
        let text = reader.text(entries, table, name)?;
        let line = find(entries, name).map_or(0, |entry| entry.line);
        is_possible(&text, line, kind, reader).then_some(text)
    };
    let (group_send, channel_send) = (target("group_send", "group"), target("channel_send", "channel"));
    let (has_target, event) = (first(entries, &TARGETS), find(entries, "event"));
    let mut action = DeclaredAction {
        reply: output(entries, table, REPLIES, reader),
        close: close(entries, table, reader),
        ..DeclaredAction::default()
    };
    match (has_target, event) {
        (None, None) => {}
        (Some(entry), None) => {
            reader.report(entry.line, Code::Route, &format!("`{}` needs an `event` to send", entry.name), MEND_SEND);
        }
        (None, Some(entry)) => {
            let sentence = "an `event` goes to a group or a channel, and this table names neither";
            reader.report(entry.line, Code::Route, sentence, MEND_SEND);
        }
        (Some(_), Some(entry)) => {
            let event = entry.node.to_json();
            let problem = match event.get("type") {
                None if event.is_object() => Some("an `event` needs a `type`, by which its receiver finds the handler"),
                Some(Value::String(kind)) if !is_valid_event_type(kind) => Some(
                    "the `type` of an `event` is not empty and begins with no underscore and no dot: every consumer refuses it",
                ),
                Some(kind) if !kind.is_string() => Some("the `type` of an `event` is text"),
                _ if !event.is_object() => Some("an `event` is a table, and has a `type`"),
                _ => None,
            };
            match problem {
                Some(sentence) => reader.report(entry.line, Code::Route, sentence, MEND_SEND),
                // Without a target that can be, which was reported, it would be one without any.
                None if group_send.is_none() && channel_send.is_none() => {}
                None => action = DeclaredAction { group_send, channel_send, event: Some(event), ..action },
            }
        }
    }
    action
}

/// One of the three forms of a message to the client.
fn output(entries: &[Entry], table: &str, names: [&str; 3], reader: &mut Reader<'_>) -> Option<DeclaredOutput> {
    let entry = first(entries, &names)?;
    let given: Vec<_> = names.into_iter().filter(|name| find(entries, name).is_some()).collect();
    if given.len() > 1 {
        let sentence = format!("a table has one of `{}`: one message", given.join("`, `"));
        reader.report(entry.line, Code::Route, &sentence, "");
    }
    let [json, text, _] = names;
    let name = entry.name.as_str();
    if name == json {
        return Some(DeclaredOutput::Json(entry.node.to_json()));
    }
    let content = reader.text(entries, table, name)?;
    Some(if name == text { DeclaredOutput::Text(content) } else { DeclaredOutput::Bytes(content) })
}

/// `close = 4001`, or with a reason.
fn close(entries: &[Entry], table: &str, reader: &mut Reader<'_>) -> Option<DeclaredClose> {
    let entry = find(entries, "close")?;
    let (code, reason) = match entry.node.to_json() {
        Value::Number(code) => (code.as_u64(), Some(String::new())),
        Value::Object(parts) => {
            if let NodeValue::Table(entries) = &entry.node.value {
                reader.names(entries, &format!("{table}.close"), &["code", "reason"]);
            }
            let reason = match parts.get("reason") {
                None => Some(String::new()),
                Some(reason) => reason.as_str().map(str::to_owned),
            };
            (parts.get("code").and_then(Value::as_u64), reason)
        }
        _ => (None, None),
    };
    let close = code
        .and_then(|code| u16::try_from(code).ok())
        .zip(reason)
        .filter(|(code, reason)| Close::new(*code, reason.as_str()).is_some())
        .map(|(code, reason)| DeclaredClose { code, reason });
    if close.is_none() {
        let sentence = format!(
            "`{table}.close` takes a code that may be sent (1000 to 1003, 1007 to 1014, 3000 to 4999), and a reason of up to 123 \
             bytes"
        );
        reader.report(entry.line, Code::Route, &sentence, MEND_CLOSE);
    }
    close
}

fn events(entries: &[Entry], reader: &mut Reader<'_>) -> Vec<DeclaredEvent> {
    let Some(table) = reader.table(entries, "events", MEND_EVENT) else { return Vec::new() };
    let mut events = Vec::new();
    for entry in table {
        let NodeValue::Table(parts) = &entry.node.value else {
            let sentence = format!("`events.{:?}` is a table", entry.name);
            reader.report(entry.line, Code::Route, &sentence, MEND_EVENT);
            continue;
        };
        // Without quotes around it, `chat.message` is a table in a table.
        if let [inner] = parts.as_slice()
            && !EVENT_NAMES.contains(&inner.name.as_str())
            && matches!(inner.node.value, NodeValue::Table(_))
        {
            let sentence = format!("a type with a dot stands in quotes: `{}.{}`", entry.name, inner.name);
            let mend = format!("[route.events.\"{}.{}\"]", entry.name, inner.name);
            reader.report(inner.line, Code::Route, &sentence, &mend);
            continue;
        }
        let name = format!("route.events.{:?}", entry.name);
        reader.names(parts, &name, &EVENT_NAMES);
        events.push(DeclaredEvent {
            event_type: entry.name.clone(),
            except: reader.text(parts, &name, "except"),
            send: output(parts, &name, SENDS, reader),
            close: close(parts, &name, reader),
        });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_outside_of_expressions_is_literal() {
        for (template, expected) in [
            ("chat_{{ room }}", ("chat_", true)),
            ("{{ a }}-{% if b %}c{% endif %}{# d #}!", ("-c!", true)),
            ("all", ("all", false)),
            ("{{ unclosed", ("", true)),
        ] {
            assert_eq!(literal(template), (expected.0.to_owned(), expected.1), "{template}");
        }
    }
}
