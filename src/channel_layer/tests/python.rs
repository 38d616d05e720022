//! Together with channels_redis itself, in one group: `cargo test -- --ignored`, with the path of a Python that has
//! `channels_redis[cryptography]` in `SLUICEGATE_CHANNELS_PYTHON`.

use std::{process::Stdio, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{
    super::{ChannelLayer, ChannelLayerOptions, Host, LayerBackend, SerializerFormat, open},
    Mailbox, event,
};
use crate::{secret::Secret, test_support::redis::Redis};

/// A process of Python.
struct Python {
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Python {
    fn start(kind: &str, config: &Json) -> Self {
        let python = std::env::var_os("SLUICEGATE_CHANNELS_PYTHON").expect("SLUICEGATE_CHANNELS_PYTHON");
        let mut process = Command::new(python)
            .args(["-c", include_str!("peer.py"), kind, &config.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { calls: process.stdin.take().unwrap(), answers, _process: process }
    }

    async fn call(&mut self, call: Json) -> Json {
        self.calls.write_all(format!("{call}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), self.answers.next_line()).await;
        let line = answer.unwrap_or_else(|_| panic!("no answer to {call}")).unwrap();
        serde_json::from_str(&line.unwrap_or_else(|| panic!("an error at {call}"))).unwrap()
    }

    async fn new_channel(&mut self) -> String {
        self.call(json!(["new_channel"])).await.as_str().unwrap().to_owned()
    }

    async fn receives(&mut self, channel: &str, number: i64) {
        let message = json!({ "type": "chat.message", "number": number });
        assert_eq!(self.call(json!(["receive", channel])).await, message, "{channel}");
    }
}

/// One of Channels' two layers, in one of its settings.
struct Case {
    backend: LayerBackend,
    hosts: usize,
    format: SerializerFormat,
    keys: &'static [&'static str],
}

impl Case {
    async fn run(&self) {
        let servers = (0..self.hosts).map(|_| Redis::start(&[])).collect::<Vec<_>>();
        let (kind, new_channels) = match self.backend {
            LayerBackend::RedisPubSub => ("redis_pubsub", 5),
            _ => ("redis", 30),
        };
        let hosts = servers.iter().map(|server| json!(["127.0.0.1", server.port()])).collect::<Vec<_>>();
        let format = if self.format == SerializerFormat::Json { "json" } else { "msgpack" };
        let config = json!({
            "hosts": hosts, "serializer_format": format, "symmetric_encryption_keys": self.keys, "prefix": "compat",
        });
        let mut python = Python::start(kind, &config);
        let layer = open(&ChannelLayerOptions {
            backend: self.backend,
            hosts: servers.iter().map(|server| Host::new("127.0.0.1", server.port())).collect(),
            serializer_format: self.format,
            // In the other order: what one of them encrypts, the other decrypts with its second key.
            symmetric_encryption_keys: self.keys.iter().rev().map(|key| Secret::new(*key)).collect(),
            prefix: "compat".to_owned(),
            ..ChannelLayerOptions::default()
        })
        .unwrap();
        while layer.round_trip().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        one_group(&layer, &mut python).await;
        single_channels(&layer, &mut python, new_channels).await;
        every_type(&layer, &mut python).await;
        if self.backend == LayerBackend::Redis {
            names_added_by_hand(&layer, &mut python).await;
        }
        if self.backend == LayerBackend::Redis && self.hosts == 1 {
            layer.send("worker", &event(1)).await.unwrap();
            python.receives("worker", 1).await;
        }
        // The one message that was sent just after the last channel had left its group may have been on its way.
        let counters = layer.counters();
        assert!((counters.undecodable, counters.expired) == (0, 0) && counters.unknown <= 1, "{counters:?}");
        layer.close().await;
    }
}

async fn one_group(layer: &Arc<dyn ChannelLayer>, python: &mut Python) {
    let mailboxes = (0..10).map(|_| Mailbox::new()).collect::<Vec<_>>();
    let mut channels = Vec::new();
    for mailbox in &mailboxes {
        let channel = layer.new_channel(mailbox.clone()).await.unwrap();
        layer.group_add("lobby", &channel.name()).await.unwrap();
        channels.push(channel);
    }
    let theirs = python.new_channel().await;
    python.call(json!(["group_add", "lobby", theirs])).await;
    // A subscription of Python's takes effect at its next turn.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 0..60 {
        if number % 2 == 0 {
            layer.group_send("lobby", &event(number)).await.unwrap();
        } else {
            python.call(json!(["group_send", "lobby", { "type": "chat.message", "number": number }])).await;
        }
        python.receives(&theirs, number).await;
        for mailbox in &mailboxes {
            assert_eq!(mailbox.next().await, event(number));
        }
    }
    drop(channels);
    python.call(json!(["group_send", "lobby", { "type": "chat.message", "number": 60 }])).await;
    python.receives(&theirs, 60).await;
    python.call(json!(["group_discard", "lobby", theirs])).await;
    assert!(mailboxes.iter().all(|mailbox| mailbox.count() == 0));
}

/// With several hosts, half of these are sent to another host than the one where Python would listen.
async fn single_channels(layer: &Arc<dyn ChannelLayer>, python: &mut Python, count: i64) {
    for number in 0..count {
        let mailbox = Mailbox::new();
        let ours = layer.new_channel(mailbox.clone()).await.unwrap();
        python.call(json!(["send", ours.name(), { "type": "chat.message", "number": number }])).await;
        assert_eq!(mailbox.next().await, event(number));
        let theirs = python.new_channel().await;
        layer.send(&theirs, &event(number)).await.unwrap();
        python.receives(&theirs, number).await;
    }
}

async fn every_type(layer: &Arc<dyn ChannelLayer>, python: &mut Python) {
    let mailbox = Mailbox::new();
    let ours = layer.new_channel(mailbox.clone()).await.unwrap();
    python.call(json!(["send_sample", ours.name()])).await;
    let sample = mailbox.next().await;
    let theirs = python.new_channel().await;
    layer.send(&theirs, &sample).await.unwrap();
    assert_eq!(python.call(json!(["receive_sample", theirs])).await, json!(true));
}

async fn names_added_by_hand(layer: &Arc<dyn ChannelLayer>, python: &mut Python) {
    let mailbox = Mailbox::new();
    let ours = layer.new_channel(mailbox.clone()).await.unwrap();
    layer.group_add("by-hand", &ours.name()).await.unwrap();
    python.call(json!(["group_add", "by-hand", ours.name()])).await;
    let theirs = python.new_channel().await;
    layer.group_add("by-hand", &theirs).await.unwrap();
    for number in 0..3 {
        python.call(json!(["group_send", "by-hand", { "type": "chat.message", "number": number }])).await;
        python.receives(&theirs, number).await;
        assert_eq!(mailbox.next().await, event(number));
    }
    layer.group_discard("by-hand", &theirs).await.unwrap();
    assert_eq!(mailbox.count(), 0);
}

const ALL_KEYS: [&[&str]; 2] = [&[], &["one", "other"]];
const FORMATS: [SerializerFormat; 2] = [SerializerFormat::MsgPack, SerializerFormat::Json];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs channels_redis: SLUICEGATE_CHANNELS_PYTHON"]
async fn python_and_this_process_hear_each_other_in_redis() {
    for (hosts, format) in [1, 3].into_iter().flat_map(|hosts| FORMATS.map(|format| (hosts, format))) {
        for keys in ALL_KEYS {
            Case { backend: LayerBackend::Redis, hosts, format, keys }.run().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs channels_redis: SLUICEGATE_CHANNELS_PYTHON"]
async fn python_and_this_process_hear_each_other_in_pubsub() {
    for (hosts, format) in [1, 3].into_iter().flat_map(|hosts| FORMATS.map(|format| (hosts, format))) {
        for keys in ALL_KEYS {
            Case { backend: LayerBackend::RedisPubSub, hosts, format, keys }.run().await;
        }
    }
}
