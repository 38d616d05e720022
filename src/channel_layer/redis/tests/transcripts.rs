//! Every command that channels_redis sent, as `MONITOR` showed it, beside those of this layer for the same operations.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use super::member;
use crate::{
    channel_layer::{
        ChannelLayerOptions, ChannelPattern, Host, LayerBackend, SerializerFormat, Value,
        redis::scripts::GROUP_SEND,
        tests::{Mailbox, vectors},
    },
    secret::Secret,
    test_support::redis::Redis,
};

/// Commands of senders and members; those of receivers are not Python's: see `receiver.rs`.
const COMPARED: [&str; 11] = [
    "ZREMRANGEBYSCORE",
    "ZCOUNT",
    "ZADD",
    "EXPIRE",
    "ZREM",
    "ZRANGE",
    "MULTI",
    "EXEC",
    "PUBLISH",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
];

/// Steps that are not replayed although they have such commands.
const LEFT_OUT: [&str; 2] = ["receive hand-made", "receive hand-made list twice"];

/// What cannot be encoded is refused here before Redis is asked for room.
const REFUSED_AT_ONCE: &str = "json bytes";

/// What the recording's `MONITOR` printed for an argument, as bytes.
fn unescape(quoted: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = quoted.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'a' => 7,
                b'b' => 8,
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            other => other,
        });
    }
    bytes
}

/// The arguments of a line such as `"EVAL" <script group-send> "1"`.
fn arguments(line: &str) -> Vec<Vec<u8>> {
    let (mut arguments, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let end = if let Some(quoted) = rest.strip_prefix('"') {
            let mut is_escaped = false;
            let end = quoted.find(|c| {
                let ends = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            let end = end.unwrap();
            arguments.push(unescape(&quoted[..end]));
            end + 2
        } else {
            let end = rest.find('>').unwrap() + 1;
            arguments.push(rest.as_bytes()[..end].to_vec());
            end
        };
        rest = rest[end..].trim_start();
    }
    arguments
}

/// Gives each of the random names a number, in the order of their appearance.
#[derive(Default)]
struct Labels(HashMap<String, usize>);

impl Labels {
    fn apply(&mut self, bytes: &[u8]) -> String {
        let (text, mut labelled, mut run) = (String::from_utf8_lossy(bytes), String::new(), String::new());
        for c in text.chars().chain(['\0']) {
            if matches!(c, '0'..='9' | 'a'..='f') {
                run.push(c);
                continue;
            }
            if run.len() == 32 {
                let next = self.0.len();
                let number = *self.0.entry(std::mem::take(&mut run)).or_insert(next);
                _ = write!(labelled, "<name {number}>");
            }
            labelled.push_str(&std::mem::take(&mut run));
            labelled.push(c);
        }
        labelled.pop();
        labelled
    }

    /// A message, without its random prefix.
    fn message(&mut self, bytes: &[u8], prefix: usize) -> String {
        let body = &bytes[prefix..];
        if body.starts_with(b"gAAAAA") { format!("<token of {}>", body.len()) } else { self.apply(body) }
    }

    /// The commands of a step that are compared, with times by their distance to the step's.
    fn commands(&mut self, lines: &[String]) -> Vec<Vec<String>> {
        let commands = lines.iter().map(|line| arguments(line)).filter(|command| is_compared(command));
        let commands = commands.collect::<Vec<_>>();
        let time = |argument: &[u8]| {
            let text = std::str::from_utf8(argument).ok()?;
            let time = text.parse::<f64>().ok()?;
            (1e9..3e9).contains(&time).then_some((time, text.contains('.')))
        };
        let now = commands.iter().flatten().find_map(|argument| time(argument).filter(|(_, exact)| *exact));
        let mut normal = Vec::new();
        for command in commands {
            let name = String::from_utf8(command[0].clone()).unwrap();
            let is_group = command.get(1).is_some_and(|key| key.windows(7).any(|word| word == b":group:"));
            let count = if name == "EVAL" { std::str::from_utf8(&command[2]).unwrap().parse().unwrap() } else { 0 };
            let arguments = command.iter().enumerate().map(|(index, argument)| match (&*name, index) {
                ("EVAL", 1) => "<script group-send>".to_owned(),
                ("EVAL", _) if (3 + count..3 + 2 * count).contains(&index) => self.message(argument, 12),
                ("ZADD", 3) if !is_group => self.message(argument, 12),
                ("PUBLISH", 2) => self.message(argument, 0),
                _ => match (time(argument), now) {
                    (Some((_, true)), _) => "<now>".to_owned(),
                    (Some((time, false)), Some((now, _))) => format!("<now - {}>", now.floor() - time),
                    (Some((_, false)), None) => "<earlier>".to_owned(),
                    (None, _) => self.apply(argument),
                },
            });
            normal.push(arguments.collect());
        }
        normal
    }
}

fn is_compared(command: &[Vec<u8>]) -> bool {
    let is_script = || command[1] == b"<script group-send>" || command[1] == GROUP_SEND.as_bytes();
    let is_backup = || command.get(1).is_some_and(|key| key.ends_with(b"$inflight"));
    match std::str::from_utf8(&command[0]).unwrap() {
        "EVAL" => is_script(),
        name => COMPARED.contains(&name) && !is_backup(),
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of all operations")]
async fn redis_gets_the_commands_of_channels_redis() {
    let redis = Redis::start(&[]);
    let plain = ChannelLayerOptions {
        hosts: vec![Host::from(redis.options())],
        lease: None,
        member_per_channel: true,
        watch_interval: Duration::from_hours(1),
        ..ChannelLayerOptions::default()
    };
    let layer = member(&plain).await;
    let narrow = member(&ChannelLayerOptions {
        prefix: "cap".to_owned(),
        capacity: 3,
        channel_capacity: vec![(ChannelPattern::Glob("http.*".to_owned()), 2)],
        ..plain.clone()
    })
    .await;
    let short = member(&ChannelLayerOptions {
        prefix: "exp".to_owned(),
        expiry: Duration::from_secs(2),
        group_expiry: Duration::from_secs(3),
        ..plain.clone()
    })
    .await;
    let json = ChannelLayerOptions { serializer_format: SerializerFormat::Json, ..plain.clone() };
    let json = member(&ChannelLayerOptions { prefix: "myapp".to_owned(), ..json }).await;
    let encrypted = ChannelLayerOptions { symmetric_encryption_keys: vec![Secret::new("k")], ..plain.clone() };
    let encrypted = member(&ChannelLayerOptions { prefix: "enc".to_owned(), ..encrypted }).await;
    let pubsub = ChannelLayerOptions { backend: LayerBackend::RedisPubSub, member_per_channel: false, ..plain };
    let pubsub = member(&pubsub).await;

    let (first, second) =
        (layer.new_channel(Mailbox::new()).await.unwrap(), layer.new_channel(Mailbox::new()).await.unwrap());
    let (first, second) = (&first.name(), &second.name());
    let of_json = json.new_channel(Mailbox::new()).await.unwrap();
    let of_encrypted = encrypted.new_channel(Mailbox::new()).await.unwrap();
    let of_pubsub = pubsub.new_channel(Mailbox::new()).await.unwrap();

    let x = || Value::map([("type", "x".into())]);
    let number = |number: i64| Value::map([("i", number.into())]);
    let mut monitor = redis.monitor();
    let (mut theirs, mut ours) = (Labels::default(), Labels::default());
    for (index, step) in vectors("commands")["steps"].as_array().unwrap().iter().enumerate() {
        let name = step["step"].as_str().unwrap();
        let lines = step["commands"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        let lines = lines.collect::<Vec<_>>();
        let result = match name {
            "send to specific channel" => {
                layer.send(first, &Value::map([("type", "chat.message".into()), ("text", "hi".into())])).await
            }
            "send to plain channel" => layer.send("plain-channel", &x()).await,
            "group_add" | "group_add again" => layer.group_add("grp", first).await,
            "group_add 2" => layer.group_add("grp", second).await,
            "group_add plain channel" => layer.group_add("grp", "worker-1").await,
            "group_send" => {
                layer.group_send("grp", &Value::map([("type", "chat.message".into()), ("n", 1.into())])).await
            }
            "group_discard" => layer.group_discard("grp", first).await,
            "group_discard not member" => layer.group_discard("grp", "nobody").await,
            "group_discard rest" => layer.group_discard("grp", second).await,
            "group_discard rest2" => layer.group_discard("grp", "worker-1").await,
            "group_send to empty group" => layer.group_send("nogroup", &x()).await,
            "send reserved key" => layer.send(first, &Value::map([("__asgi_channel__", "x".into())])).await,
            "send non-dict" => layer.send(first, &"text".into()).await,
            "send bad name" => layer.send("bad name", &x()).await,
            "group_send over capacity" => {
                narrow.group_add("g", "c1").await.unwrap();
                narrow.group_send("g", &number(9)).await
            }
            "expiry 2: send" => short.send("c", &number(1)).await,
            "send after 2.5 s" => short.send("c", &number(2)).await,
            "send again" => short.send("c", &number(3)).await,
            "group_expiry 3: add" => {
                short.send("d", &number(1)).await.unwrap();
                short.group_add("g", "c").await
            }
            "group_send after 4.2 s" => {
                tokio::time::sleep(Duration::from_millis(4200)).await;
                short.group_send("g", &number(1)).await
            }
            "json send" => json.send(&of_json.name(), &Value::map([("type", "x".into()), ("t", "ünï☃".into())])).await,
            "json bytes" => json.send(&of_json.name(), &Value::map([("b", Value::Bytes(vec![0]))])).await,
            "enc receive" => encrypted.send(&of_encrypted.name(), &x()).await,
            "pubsub send" => {
                pubsub.send(&of_pubsub.name(), &Value::map([("type", "x".into()), ("t", "hi".into())])).await
            }
            "pubsub group_add" => pubsub.group_add("grp", &of_pubsub.name()).await,
            "pubsub group_send" => pubsub.group_send("grp", &Value::map([("type", "y".into())])).await,
            "pubsub group_add foreign" => pubsub.group_add("grp", "foreign").await,
            "pubsub group_discard" => pubsub.group_discard("grp", &of_pubsub.name()).await,
            _ => match name.split_once(": send ") {
                Some(("capacity 3", digit)) => narrow.send("c1", &number(digit.parse().unwrap())).await,
                Some((_, digit)) => narrow.send("http.request", &number(digit.parse().unwrap())).await,
                None => {
                    let is_compared = !Labels::default().commands(&lines).is_empty();
                    assert!(!is_compared || LEFT_OUT.contains(&name), "{name} is not replayed");
                    continue;
                }
            },
        };
        let error = step["result"].as_str().unwrap().contains("Error: ");
        let full = step["result"].as_str().unwrap().contains("ChannelFull");
        assert_eq!(result.is_err(), error || full, "{name}: {result:?}");
        let expected = if name == REFUSED_AT_ONCE { Vec::new() } else { theirs.commands(&lines) };
        let end = format!("end of {index}");
        redis.command(&["ECHO", &end]);
        assert_eq!(ours.commands(&monitor.until(&end)), expected, "{name}");
    }
}
