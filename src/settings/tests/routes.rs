//! `[[route]]` whose consumer is declared, and what is said of what cannot be.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use super::{ENOUGH, problems, toml};
use crate::{
    consumer::{
        AskOptions, AskUrl, DeclaredClose, DeclaredOptions, DeclaredOutput, FrameKind, OnError, OutboxOptions,
        RouteKind, SlowClient,
    },
    settings::{Settings, render},
};

/// The tutorial's chat, then everything else.
const CHAT: &str = r#"
groups = ["chat_{{ room }}"]

[route.receive]
group_send = "chat_{{ room }}"
event = { type = "chat.message", message = "{{ content.message }}" }

[route.events."chat.message"]
send = { message = "{{ event.message }}" }

[[route]]
path = "ws/room/<slug:room>/"
groups = ["room_{{ room }}", "org_{{ context.org }}"]
slow_client = "latest"
queue_messages = 5
queue_bytes = "64 KiB"
on_error = "close"

[route.ask]
url = "/sockets/room/"
on = ["connect", "disconnect"]
timeout = "1.5s"
forward_headers = ["Accept-Language"]

[route.on_connect]
reply_text = "hello {{ user.username }}"

[route.on_disconnect]
group_send = "room_{{ room }}"
event = { type = "room.left", code = "{{ code }}" }

[[route.receive]]
when = { action = "typing" }
frame = "text"
group_send = "room_{{ room }}"
channel_send = "worker"
event = { type = "room.typing", sender = "{{ channel_name }}" }

[[route.receive]]
when = { action = "message" }
ask = true

[[route.receive]]
frame = "binary"
reply_bytes = "{{ bytes }}"
close = { code = 4001, reason = "enough" }

[route.events."room.typing"]
except = "{{ event.sender }}"
send_text = "typing"

[route.events.room_closed]
close = 4002

[upstream]
url = "http://127.0.0.1:8000"

[ask]
key = "ask-key"
max_open = 7

[channel_layer]
url = "redis://h"
"#;

fn settings(text: &str) -> Settings {
    let report = toml(&format!("{ENOUGH}{text}"));
    assert_eq!(problems(&report), "");
    assert!(!render(&report).contains("ask-key"), "{}", render(&report));
    report.settings.unwrap()
}

fn declared(settings: &Settings, index: usize) -> (&DeclaredOptions, OutboxOptions) {
    let route = &settings.routes[index];
    match &route.kind {
        RouteKind::Declared(declared) => (declared, route.outbox),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_tutorials_chat_is_ten_lines() {
    let settings = settings(CHAT);
    let (chat, outbox) = declared(&settings, 0);
    assert_eq!(outbox, OutboxOptions::default());
    assert_eq!(chat.groups, ["chat_{{ room }}"]);
    let receive = &chat.receive[0];
    assert_eq!(receive.action.group_send.as_deref(), Some("chat_{{ room }}"));
    assert_eq!(receive.action.event, Some(json!({"type": "chat.message", "message": "{{ content.message }}"})));
    let event = &chat.events[0];
    assert_eq!(event.event_type, "chat.message");
    assert_eq!(event.send, Some(DeclaredOutput::Json(json!({"message": "{{ event.message }}"}))));
}

#[test]
fn everything_that_a_route_can_say_is_read() {
    let settings = settings(CHAT);
    assert_eq!((settings.ask.key.as_ref().unwrap().expose(), settings.ask.max_open), ("ask-key", 7));
    let (room, outbox) = declared(&settings, 1);
    assert_eq!(outbox, OutboxOptions { messages: 5, bytes: 65536, policy: SlowClient::Latest });
    assert_eq!((room.groups.len(), room.on_error), (2, OnError::Close));
    let ask = AskOptions {
        url: AskUrl::Path("/sockets/room/".to_owned()),
        on_connect: true,
        on_disconnect: true,
        timeout: Duration::from_millis(1500),
        forward_headers: vec!["accept-language".to_owned()],
    };
    assert_eq!(room.ask, Some(ask));
    let hello = DeclaredOutput::Text("hello {{ user.username }}".to_owned());
    assert_eq!(room.on_connect.as_ref().unwrap().reply, Some(hello));
    let gone = room.on_disconnect.as_ref().unwrap();
    assert_eq!(gone.event, Some(json!({"type": "room.left", "code": "{{ code }}"})));
    let [typing, message, binary] = room.receive.as_slice() else { panic!("{:?}", room.receive) };
    assert_eq!(
        (typing.frame, typing.ask, typing.action.channel_send.as_deref()),
        (FrameKind::Text, false, Some("worker"))
    );
    assert_eq!((message.frame, message.ask), (FrameKind::Any, true));
    assert_eq!(binary.action.reply, Some(DeclaredOutput::Bytes("{{ bytes }}".to_owned())));
    assert_eq!(binary.action.close, Some(DeclaredClose { code: 4001, reason: "enough".to_owned() }));
    assert_eq!(room.events[0].except.as_deref(), Some("{{ event.sender }}"));
    assert_eq!(room.events[0].send, Some(DeclaredOutput::Text("typing".to_owned())));
    assert_eq!(room.events[1].close, Some(DeclaredClose { code: 4002, reason: String::new() }));
}

/// What is said of `text` in a route, whose line 1 is the first of `text`.
fn said(text: &str) -> String {
    let before = ENOUGH.lines().count();
    let said = problems(&toml(&format!("{ENOUGH}{text}\n\n[channel_layer]\nurl = \"redis://h\"\n")));
    let mut counted = String::new();
    for line in said.lines() {
        let at = line.split_once("sluicegate.toml:").and_then(|(code, rest)| {
            let (number, rest) = rest.split_once(':')?;
            Some((code, number.parse::<usize>().ok()?, rest))
        });
        match at {
            Some((code, number, rest)) => _ = writeln!(counted, "{code}{}:{rest}", number - before),
            None => _ = writeln!(counted, "{line}"),
        }
    }
    counted
}

#[test]
fn what_a_route_cannot_be_is_told_once_with_its_line_and_what_mends_it() {
    let long = format!("groups = [\"{}\"]", "x".repeat(100));
    let cases = [
        ("group = [\"a\"]", "E002 1: there is no setting `route.group`\n    Did you mean `groups`?\n"),
        ("groups = 5", "E003 1: `route.groups` takes a list of texts, such as [\"a\", \"b\"]\n"),
        (
            "groups = [\"chat {{ room }}\"]",
            "E060 1: \"chat {{ room }}\" is no name of a group: Channels takes ASCII letters",
        ),
        ("groups = [\"a!b\"]", "E060 1: \"a!b\" is no name of a group"),
        (long.as_str(), "E060 1: \"xxxx"),
        ("slow_client = \"wait\"", "E003 1: `route.slow_client` takes one of \"close\", \"drop_oldest\", \"latest\"\n"),
        ("queue_messages = 0", "E003 1: `route.queue_messages` takes a whole number from 1 to 4294967295\n"),
        ("queue_bytes = 0", "E060 1: `route.queue_bytes` is more than 0\n"),
        ("on_error = \"die\"", "E003 1: `route.on_error` takes one of \"ignore\", \"close\"\n"),
        (
            "[route.receive]\nreplay = 1\nreply = 1",
            "E002 2: there is no setting `route.receive.replay`\n    Did you mean `reply`?\n",
        ),
        ("[route.receive]\nwhen = { a = 1 }", "E060 1: `receive` says nothing to do\n"),
        (
            "[route.receive]\nreply = 1\nreply_text = \"a\"",
            "E060 2: a table has one of `reply`, `reply_text`: one message\n",
        ),
        ("[route.receive]\ngroup_send = \"a\"", "E060 2: `group_send` needs an `event` to send\n    group_send"),
        (
            "[route.receive]\nevent = { type = \"a\" }",
            "E060 2: an `event` goes to a group or a channel, and this table names neither\n",
        ),
        ("[route.receive]\ngroup_send = \"a\"\nevent = { a = 1 }", "E060 3: an `event` needs a `type`, by which"),
        ("[route.receive]\ngroup_send = \"a\"\nevent = { type = 1 }", "E060 3: the `type` of an `event` is text\n"),
        (
            "[route.receive]\ngroup_send = \"a\"\nevent = { type = \"_{{ user.id }}\" }",
            "E060 3: the `type` of an `event` is not empty and begins with no underscore",
        ),
        (
            "[route.on_connect]\ngroup_send = \"a\"\nevent = { type = \".a\" }",
            "E060 3: the `type` of an `event` is not empty",
        ),
        (
            "[route.on_disconnect]\nchannel_send = \"a\"\nevent = { type = \"\" }",
            "E060 3: the `type` of an `event` is not empty",
        ),
        ("[route.receive]\ngroup_send = \"a\"\nevent = \"a\"", "E060 3: an `event` is a table, and has a `type`\n"),
        (
            "[route.receive]\nchannel_send = \"a b\"\nevent = { type = \"a\" }",
            "E060 2: \"a b\" is no name of a channel",
        ),
        (
            "[route.receive]\nask = true",
            "E060 2: `ask = true` asks the view of [route.ask], and this route has none\n    [route.ask]\n",
        ),
        ("[route.receive]\nclose = 1005", "E060 2: `route.receive.close` takes a code that may be sent"),
        (
            "[route.receive]\nclose = { code = 4001, why = \"x\" }",
            "E002 2: there is no setting `route.receive.close.why`\n",
        ),
        ("[route.on_disconnect]\nreply = 1", "E060 2: `route.on_disconnect.reply`: the client is gone"),
        (
            "[route.on_connect]\nask = true",
            "E002 2: there is no setting `route.on_connect.ask`: `ask` is about frames, and this is done without one\n    \
             [route.ask]\n",
        ),
        (
            "[route.on_connect]\nwhen = { a = 1 }",
            "E002 2: there is no setting `route.on_connect.when`: `when` is about frames",
        ),
        (
            "[route.on_disconnect]\nframe = \"text\"",
            "E002 2: there is no setting `route.on_disconnect.frame`: `frame` is about frames",
        ),
        (
            "[route.events.chat.message]\nsend = 1",
            "E060 1: a type with a dot stands in quotes: `chat.message`\n    [route.events.\"chat.message\"]\n",
        ),
        (
            "[route.events.\"a\"]\nsnd = 1",
            "E002 2: there is no setting `route.events.\"a\".snd`\n    Did you mean `send`?\n",
        ),
        ("[route.ask]\ntimeout = \"3s\"", "E060 1: `route.ask` has no `url` to ask\n"),
        (
            "[route.ask]\nurl = \"/a/\"",
            "E060 2: `route.ask.url` is a path on [upstream], and there is none\n    [upstream]\n",
        ),
        ("[route.ask]\nurl = \"ftp://u:hunter2@h\"", "E060 2: `route.ask.url` takes a path"),
        ("[route.ask]\nurl = \"http://h/\"\non = [\"receive\"]", "E060 3: frames are asked about one by one\n"),
        ("[route.ask]\nurl = \"http://h/\"\non = []", "E060 1: `on` is empty, and no frame is asked about"),
        ("[route.ask]\nurl = \"http://h/\"\ntimeout = 0", "E060 3: `route.ask.timeout` is how long"),
        (
            "[route.ask]\nurl = \"http://h/\"\nforward_headers = [\"a b\"]",
            "E060 3: `route.ask.forward_headers` takes names",
        ),
    ];
    for (text, expected) in cases {
        let said = said(text);
        assert!(said.starts_with(expected), "{text}\n{said}");
        let problems = said.lines().filter(|line| line.starts_with('E')).count();
        let more = usize::from(text.contains("receive\"]"));
        assert_eq!(problems, 1 + more, "{text}\n{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn all_problems_of_a_route_are_told_at_once() {
    let said = said(
        "groups = [\"a b\"]\non_error = 1\n[route.receive]\nask = true\nclose = 1\n[route.events.\"a\"]\nexcept = 1",
    );
    assert_eq!(said.lines().filter(|line| line.starts_with('E')).count(), 5, "{said}");
}

#[test]
fn what_signs_questions_is_there_before_anything_is_opened() {
    let route = "\n[route.ask]\nurl = \"http://h/\"\n\n[[route]]\npath = \"ws/b/\"\n[route.ask]\nurl = \"http://h/\"\n";
    let mend = "\n    [ask]\n    key = \"...\"        # the `secret` of the view's salted_hmac";
    let said = problems(&toml(&format!("{ENOUGH}{route}[ask]\nkey = \"\"\n")));
    let empty = "E004 sluicegate.toml:25: `ask.key` is empty, and signs nothing; without it SECRET_KEY does";
    assert_eq!(said, format!("{empty}{mend}"));
    // As where tokens are checked by a public key, or nobody issues tickets here.
    let without = ENOUGH.replace("secret_key", "#");
    let said = problems(&toml(&format!("{without}{route}")));
    let none = "this route asks a view, and there is neither a SECRET_KEY nor [ask] key to sign it with";
    assert_eq!(said, format!("E060 sluicegate.toml:14: {none}{mend}"));
    assert_eq!(problems(&toml(&format!("{without}{route}[ask]\nkey = \"its-own\"\n"))), "");
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_the_line_of_its_table() {
    let unknown = |of: &str| format!("templates of `{of}` know no `zzz`");
    let wrong = "channel_layer = \"{{ zzz }}\"";
    let said = said(&format!(
        "groups = [\"{{{{ zzz }}}}\"]\n\
         [[route.receive]]\nreply = 1\n\
         [[route.receive]]\nreply = {{ {wrong} }}\n\
         [[route.receive]]\nreply = {{ {wrong} }}\n\
         [route.on_connect]\nreply = {{ {wrong} }}\n\
         [route.on_disconnect]\ngroup_send = \"a\"\nevent = {{ type = \"a\", {wrong} }}\n\
         [route.events.\"a.b\"]\nsend = {{ {wrong} }}\n\
         [route.events.a_b]\nsend = \"{{{{ 1 + }}}}\"\n\
         [route.events.\"_c\"]\nsend = 1"
    ));
    let mut lines: Vec<_> = said.lines().map(|line| line.split_once(": ").unwrap()).collect();
    lines.sort_by_key(|(place, _)| place.trim_start_matches("E060 ").parse::<usize>().unwrap());
    let expected = [
        ("E060 1", unknown("groups")),
        ("E060 4", unknown("receive")),
        ("E060 6", unknown("receive")),
        ("E060 8", unknown("on_connect")),
        ("E060 10", unknown("on_disconnect")),
        ("E060 13", unknown("events")),
        ("E060 15", "events \"a_b\" is there twice".to_owned()),
        ("E060 15", "\"{{ 1 + }}\" is no template".to_owned()),
        ("E060 17", "events \"_c\" would never come".to_owned()),
    ];
    assert_eq!(lines.len(), expected.len(), "{said}");
    for ((place, sentence), (line, start)) in lines.iter().zip(&expected) {
        assert!(place == line && sentence.starts_with(start), "{place}: {sentence}\n{line}: {start}");
    }
}
