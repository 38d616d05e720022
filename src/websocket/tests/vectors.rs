//! What uvicorn did with the same bytes.

use serde_json::Value as Json;

use super::{
    closing::{greeted, scripted},
    *,
};
use crate::{cache::ValueFormat, python::json, websocket::OriginPolicy};

const HANDSHAKES: &str = include_str!("../../../tests/vectors/websocket-handshake.json");
const CLOSES: &str = include_str!("../../../tests/vectors/websocket-close.json");

/// Where we answer otherwise on purpose: the case, our status, our code, the reason.
const HANDSHAKE_DIFFERENCES: &[(&str, u16, &str, &str)] = &[
    ("stored value: int of inactive user", 403, "user_inactive", "inactive users are refused at the handshake too"),
    ("user deactivated after issue", 403, "user_inactive", "inactive users are refused at the handshake too"),
    ("any other cache key holding an int authenticates", 403, "ticket_malformed", "only a ticket names a key"),
    ("key ':1:None' is read when no uuid parameter is sent", 403, "ticket_missing", "only a ticket names a key"),
    ("key with colon and version", 403, "ticket_malformed", "only a ticket names a key"),
    ("Sec-WebSocket-Version 8", 426, "bad_handshake", "RFC 6455, 4.4: the answer names the right version"),
    ("Sec-WebSocket-Version missing", 426, "bad_handshake", "RFC 6455, 4.4: the answer names the right version"),
];

/// Routes whose consumer refuses or fails before it accepts, or shapes the answer: no consumer of ours does.
const OTHER_CONSUMERS: &[(&str, &str)] = &[
    ("consumer closes before accept", "/ws/reject/"),
    ("consumer closes with 4001 before accept", "/ws/reject4001/"),
    ("consumer raises an error in connect", "/ws/raise/"),
    ("consumer accepts then closes 4001 bye", "/ws/accept-close/"),
    ("consumer accepts with extra header", "/ws/headers/"),
    ("consumer denies the connection", "/ws/deny/"),
];

fn cases(file: &str) -> Vec<Json> {
    let file: Json = serde_json::from_str(file).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn text_of<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("{key} of {json}"))
}

fn setup(case: &Json) -> Setup {
    let mut setup = Setup::new();
    let reply = serde_json::json!({ "id": "{{ user.id }}", "name": "{{ user.username }}" });
    let kwargs = |name: &str| serde_json::json!({ "id": "{{ user.id }}", "name": "{{ user.username }}", "kwargs": { name: format!("{{{{ {name} }}}}") } });
    setup.routes = vec![
        declared("ws/chat/", reply.clone()),
        RouteOptions {
            pattern: RoutePattern::Regex(r"^ws/re/(?P<name>\w+)/$".to_owned()),
            ..declared("", kwargs("name"))
        },
        declared("ws/room/<slug:room>/", kwargs("room")),
        declared("ws/subproto/", reply.clone()),
        declared("ws/badsub/", reply),
    ];
    setup.websocket.origins = match &case["ws_stack"] {
        Json::String(stack) if stack == "jwt" => OriginPolicy::NotChecked,
        Json::String(stack) if stack == "origin-jwt" => {
            OriginPolicy::Allowed(["testserver", "localhost", "127.0.0.1", ".example.com"].map(str::to_owned).to_vec())
        }
        entries => serde_json::from_value(entries.clone()).map(OriginPolicy::Allowed).unwrap(),
    };
    // The consumer there picks the last one offered.
    let offered =
        case["request"]["headers"].as_array().unwrap().iter().rfind(|header| header[0] == "Sec-WebSocket-Protocol");
    if text_of(case, "name").starts_with("consumer picks the last offered subprotocol") {
        let last = offered.map(|header| header[1].as_str().unwrap().rsplit(", ").next().unwrap().to_owned());
        setup.websocket.subprotocols = last.into_iter().collect();
    }
    setup
}

/// Does what the case's `setup` says; the tickets by placeholder.
fn prepare(server: &TestServer, case: &Json) -> HashMap<String, String> {
    let tickets = &server.setup.tickets;
    let mut placeholders = HashMap::new();
    for step in case["setup"].as_array().unwrap() {
        if let Some(user) = step.get("issue_ticket_for") {
            let ticket = Ticket::new().expose();
            tickets.put(&ticket, Value::Int(user.as_str().unwrap().parse().unwrap()));
            placeholders.insert(text_of(step, "as").to_owned(), ticket);
        } else if let Some(key) = step.get("redis_set") {
            let bytes: Vec<u8> = text_of(step, "value_hex")
                .as_bytes()
                .chunks(2)
                .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
                .collect();
            let value = (ValueFormat::Django { pickle_protocol: 5 }).decode(&bytes).ok();
            let name = key.as_str().unwrap().strip_prefix(":1:").unwrap();
            tickets.stored.lock().unwrap().insert(name.to_owned(), value);
        } else if let Some(name) = step.get("use_ticket") {
            tickets.stored.lock().unwrap().remove(&placeholders[name.as_str().unwrap()]);
        } else if let Some(key) = step.get("redis_del") {
            let name = key.as_str().unwrap().trim_start_matches(":1:{").trim_end_matches('}');
            tickets.stored.lock().unwrap().remove(&placeholders[name]);
        } else if let Some(sql) = step.get("sql") {
            let sql = sql.as_str().unwrap();
            let id: i64 = sql.rsplit('=').next().unwrap().parse().unwrap();
            let mut rows = server.setup.users.rows.lock().unwrap();
            if sql.starts_with("delete") {
                rows.retain(|row| row.0 != id);
            } else {
                rows.iter_mut().find(|row| row.0 == id).unwrap().2 = false;
            }
        } else {
            panic!("unknown step {step}");
        }
    }
    placeholders
}

fn target(case: &Json, placeholders: &HashMap<String, String>) -> String {
    let mut target = text_of(&case["request"], "target").to_owned();
    if let Some(ticket) = placeholders.get("t") {
        let percent = ticket.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        target = target
            .replace("{T}", &ticket.to_uppercase())
            .replace("{nodash}", &ticket.replace('-', ""))
            .replace("{pct}", &percent);
    }
    for (name, ticket) in placeholders {
        target = target.replace(&format!("{{{name}}}"), ticket);
    }
    target
}

fn request_of(case: &Json, target: &str) -> Vec<u8> {
    let overrides = &case["request"]["overrides"];
    let base = [
        ("host", "Host", "testserver"),
        ("upgrade", "Upgrade", "websocket"),
        ("conn", "Connection", "Upgrade"),
        ("key", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("version", "Sec-WebSocket-Version", "13"),
    ];
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for (key, name, value) in base {
        match overrides.get(key) {
            None => headers.push((name, value)),
            Some(Json::Null) => {}
            Some(value) => headers.push((name, value.as_str().unwrap())),
        }
    }
    for header in case["request"]["headers"].as_array().unwrap() {
        headers.push((header[0].as_str().unwrap(), header[1].as_str().unwrap()));
    }
    raw_request(overrides.get("method").map_or("GET", |method| method.as_str().unwrap()), target, &headers)
}

#[tokio::test]
async fn handshakes_end_as_under_uvicorn() {
    let mut compared = 0;
    let mut differences = Vec::new();
    for case in cases(HANDSHAKES) {
        let name = text_of(&case, "name");
        if OTHER_CONSUMERS.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let expected = &case["expect"]["uvicorn"];
        let server = setup(&case).start().await;
        let placeholders = prepare(&server, &case);
        let before = server.setup.tickets.stored.lock().unwrap().len();
        let target = target(&case, &placeholders);
        let mut client = server.connect().await;
        client.send(&request_of(&case, &target)).await;
        let answer = client.answer().await;
        let code = || serde_json::from_str::<Json>(&answer.body).map_or(String::new(), |_| answer.code());
        compared += 1;
        if let Some((_, status, reason, _)) = HANDSHAKE_DIFFERENCES.iter().find(|(known, ..)| *known == name) {
            differences.push(name.to_owned());
            assert_eq!((answer.status, code().as_str()), (*status, *reason), "{name}");
            continue;
        }
        match expected["status"].as_u64().unwrap() {
            101 => {
                assert_eq!(answer.status, 101, "{name}: {}", answer.body);
                for header in ["upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol"] {
                    let expected = expected["headers"].get(header).and_then(Json::as_str);
                    // "badsub": the consumer there answers a subprotocol that was never offered.
                    if name.contains("not offered") || name.contains("never offered") {
                        continue;
                    }
                    assert_eq!(answer.headers.get(header).map(String::as_str), expected, "{name}: {header}");
                }
                client.send(&text("null")).await;
                let Seen::Frame { payload, .. } = client.see().await else { panic!("{name}") };
                let seen: Json = serde_json::from_slice(&payload).unwrap();
                if let Some(user) = expected["user"].as_str() {
                    assert_eq!(seen["id"].to_string(), user, "{name}");
                    assert_eq!(seen["name"], expected["username"], "{name}");
                    let kwargs = seen.get("kwargs").cloned().unwrap_or_else(|| serde_json::json!({}));
                    assert_eq!(kwargs, expected["url_kwargs"], "{name}");
                }
            }
            // uvicorn's 500: the application returned without a message. We say what is wrong.
            500 => {
                let expected = match code().as_str() {
                    "no_route" => 404,
                    "ticket_missing" | "ticket_malformed" | "ticket_invalid" | "user_not_found" | "origin_refused" => {
                        403
                    }
                    other => panic!("{name}: {other}"),
                };
                assert_eq!(answer.status, expected, "{name}");
            }
            status => assert_eq!(u64::from(answer.status), status, "{name}: {}", answer.body),
        }
        let deleted = expected["keys_deleted"].as_array().unwrap().len();
        let after = server.setup.tickets.stored.lock().unwrap().len();
        match code().as_str() {
            // Deliberate: a wrong path does not burn the ticket, and no text but a ticket names a key.
            "no_route" | "ticket_malformed" | "ticket_missing" => assert_eq!(before, after, "{name}"),
            // Deliberate: what cannot be read is deleted too.
            "ticket_invalid" if name.starts_with("stored value: ") => assert_eq!(before - after, 1, "{name}"),
            _ => assert_eq!(before - after, deleted, "{name}"),
        }
    }
    differences.sort();
    let mut known: Vec<_> = HANDSHAKE_DIFFERENCES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(differences, known, "a difference that is no case any more");
    assert!(compared > 80, "{compared}");
}

/// Where we close otherwise on purpose: the case, what we send, the reason.
fn close_difference(name: &str) -> Option<&'static str> {
    Some(match name {
        "server close:999" | "server close:5000" => "such a close cannot be made: Close::new refuses it",
        name if name.starts_with("server close:4000:xxxxxxx") => "such a close cannot be made: Close::new refuses it",
        "exception in receive" | "exception after accept in connect" => {
            "a consumer has no exceptions: it ends with a close of its own"
        }
        "json consumer binary" => "a declared route ignores what it cannot answer",
        "pong withheld" | "SIGTERM" | "SIGINT" => "in keepalive.rs and closing.rs, which set the times",
        _ => return None,
    })
}

fn seen_of(frame: &Json) -> Option<Seen> {
    match text_of(frame, "op") {
        "EOF" => Some(Seen::Eof),
        // Nothing for 3 s, since the client does not answer the close.
        "TIMEOUT" => None,
        "close" => Some(match frame["code"].as_u64() {
            None => Seen::empty_close(),
            Some(code) => Seen::close(u16::try_from(code).unwrap(), text_of(frame, "reason")),
        }),
        other => panic!("unknown frame {other}"),
    }
}

#[tokio::test]
async fn sockets_close_as_under_uvicorn() {
    let (setup, _) = scripted();
    let server = setup.start().await;
    let mut compared = 0;
    for case in cases(CLOSES) {
        let name = text_of(&case, "name");
        if close_difference(name).is_some() {
            continue;
        }
        let sent = match name {
            "client close 1000" => close(1000, "done"),
            "client close empty" => frame(0x88, b""),
            "client close 1 byte" => frame(0x88, b"\x03"),
            "client close 999" => close(999, ""),
            "client close 1001" => close(1001, ""),
            "accept then close 4001 bye" => text("close:4001:bye"),
            "invalid utf-8 text" => frame(0x81, b"\xff\xfe"),
            "unmasked frame" => b"\x81\x02hi".to_vec(),
            "rsv1 without extension" => frame(0xc1, b"hi"),
            "reserved opcode 3" => frame(0x83, b"hi"),
            "ping of 126 bytes" => frame(0x89, &[b'p'; 126]),
            name => text(name.strip_prefix("server ").unwrap_or_else(|| panic!("unknown case {name}"))),
        };
        let mut client = greeted(&server).await;
        client.send(&sent).await;
        if sent.starts_with(&[0x81]) && !name.contains("utf-8") && !name.contains("unmasked") {
            assert_eq!(client.see().await, Seen::text("last words"), "{name}");
        }
        for expected in case["server_frames"]["uvicorn"].as_array().unwrap().iter().filter_map(seen_of) {
            assert_eq!(client.see().await, expected, "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, 16);
    // What JSON consumers write, here as there.
    assert_eq!(json::dumps(&json::loads_str(r#"{"a":1}"#).unwrap()).unwrap(), r#"{"a": 1}"#);
}
