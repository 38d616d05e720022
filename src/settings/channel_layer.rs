//! `[channel_layer]`: where groups are, and how messages are written there.

use std::time::Duration;

use serde_json::Value;

use super::{
    channel_layer_hosts as hosts,
    django::Django,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    values::Values,
};
use crate::{
    channel_layer::{self, ChannelLayerOptions, ChannelPattern, LayerBackend, SerializerFormat},
    secret::Secret,
};

pub(super) const MEND: &str =
    "[channel_layer]\nhosts = [\"redis://host:6379/0\"]        # as in CHANNEL_LAYERS[\"default\"]";

/// A process that died is known to be gone after this at the earliest: its lease is renewed each third of it.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The channel layer; `None` where none is known that can be used. `needed_by` is the first route that uses one: without
/// it what the project says of its layer stops no start.
pub(super) fn read(layers: &mut Layers, django: &Django, needed_by: Option<&Origin>) -> Option<ChannelLayerOptions> {
    let mut problems = Vec::new();
    let options = match (kind(&layers.values), needed_by) {
        ("redis", _) => Some(redis(layers, LayerBackend::Redis, &mut problems)),
        ("redis_pubsub", _) => Some(redis(layers, LayerBackend::RedisPubSub, &mut problems)),
        ("in_memory", _) => in_memory(layers, needed_by.is_some(), &mut problems),
        ("none", None) => None,
        ("none", Some(route)) => {
            let missing = || {
                let sentence = "this route uses groups or channels, and there is no channel layer";
                Problem::new(Code::ChannelLayerMissing, sentence).at(route).mend(MEND)
            };
            problems.push(django.failure("channel_layer").unwrap_or_else(missing));
            None
        }
        _ => {
            let class = layers.values.text("channel_layer.backend").unwrap_or("the project's class");
            let sentence = format!("the channel layer {class} is not supported");
            let mend = "channels_redis' RedisChannelLayer and RedisPubSubChannelLayer are.";
            let problem = Problem::new(Code::ChannelLayerRefused, sentence).mend(mend);
            problems.push(problem.at(layers.values.origin("channel_layer.backend")));
            None
        }
    };
    let is_good = problems.is_empty();
    let is_stated = |problem: &Problem| problem.origin.as_ref().is_some_and(Origin::is_stated);
    layers.problems.extend(problems.into_iter().filter(|problem| needed_by.is_some() || is_stated(problem)));
    options.filter(|_| is_good)
}

/// The kind of a backend, by its dotted path or a short word.
fn kind_of(backend: &str) -> &str {
    match backend {
        "channels_redis.core.RedisChannelLayer" => "redis",
        "channels_redis.pubsub.RedisPubSubChannelLayer" => "redis_pubsub",
        "channels.layers.InMemoryChannelLayer" => "in_memory",
        word @ ("redis" | "redis_pubsub" | "in_memory") => word,
        _ => "other",
    }
}

fn kind(values: &Values) -> &str {
    let stated = values.text("channel_layer.backend").filter(|_| values.is_stated("channel_layer.backend"));
    let is_placed = values.first_stated(&["channel_layer.url", "channel_layer.hosts"]).is_some();
    match (stated, values.text("channel_layer.kind")) {
        (Some(backend), _) => kind_of(backend),
        // Another place of the same layer: only its address changes.
        (None, Some(known @ ("redis" | "redis_pubsub"))) => known,
        (None, _) if is_placed => "redis",
        (None, known) => known.unwrap_or("none"),
    }
}

/// `InMemoryChannelLayer`: good only where nobody but this process sends, and as a deliberate choice.
fn in_memory(layers: &mut Layers, is_needed: bool, problems: &mut Vec<Problem>) -> Option<ChannelLayerOptions> {
    let origin = layers.values.origin("channel_layer.backend").clone();
    let is_allowed = layers.values.boolean("allow_local", false) || layers.values.boolean("debug", false);
    if !is_allowed && !origin.is_stated() {
        let sentence = "InMemoryChannelLayer is the memory of one process: what Django sends to a group there reaches no \
                        socket here";
        problems.push(Problem::new(Code::ChannelLayerLocal, sentence).at(&origin).mend(
            "In Django's settings, for both:\n\
             CHANNEL_LAYERS = {\"default\": {\"BACKEND\": \"channels_redis.core.RedisChannelLayer\", \
             \"CONFIG\": {\"hosts\": [\"redis://host:6379/0\"]}}}\n\
             Or, for one process alone: --allow-local",
        ));
        return None;
    }
    if is_needed {
        let note = "the channel layer is in this process's own memory: neither Django nor another process reaches the \
                    sockets here by group_send";
        layers.notes.push(note.to_owned());
    }
    let default = ChannelLayerOptions::default();
    Some(ChannelLayerOptions {
        backend: LayerBackend::InMemory,
        capacity: capacity(&layers.values, default.capacity, problems),
        ..default
    })
}

fn redis(layers: &mut Layers, backend: LayerBackend, problems: &mut Vec<Problem>) -> ChannelLayerOptions {
    let default = ChannelLayerOptions::default();
    let hosts = hosts::read(&layers.values, problems);
    let is_queued = backend == LayerBackend::Redis;
    if !is_queued && let Some(path) = layers.values.first_stated(&["channel_layer.lease", "channel_layer.queues"]) {
        let origin = layers.values.origin(path);
        layers
            .notes
            .push(format!("{origin}: {path} has no effect, since RedisPubSubChannelLayer keeps nothing in Redis"));
    }
    let values = &layers.values;
    let capacity = capacity(values, default.capacity, problems);
    let unsupported = values.texts("channel_layer.unsupported").unwrap_or_default();
    let origin = values.origin("channel_layer.unsupported");
    problems.extend(unsupported.into_iter().map(|what| {
        let sentence = format!("the channel layer cannot be matched without Python: {what}");
        Problem::new(Code::NotWithoutPython, sentence).at(origin)
    }));
    let mut whole_seconds = |path: &'static str, default: Duration| {
        let given = values.seconds(path, default);
        if given.subsec_nanos() != 0 || given.is_zero() {
            let sentence = format!("`{path}` takes whole seconds, from 1: Redis counts in them");
            problems.push(Problem::new(Code::BadValue, sentence).at(values.origin(path)));
        }
        given
    };
    let (expiry, group_expiry) = if is_queued {
        (
            whole_seconds("channel_layer.expiry", default.expiry),
            whole_seconds("channel_layer.group_expiry", default.group_expiry),
        )
    } else {
        (default.expiry, default.group_expiry)
    };
    let options = ChannelLayerOptions {
        backend,
        hosts,
        prefix: values.text_or("channel_layer.prefix", &default.prefix),
        expiry,
        group_expiry,
        capacity,
        channel_capacity: channel_capacity(values, problems),
        symmetric_encryption_keys: values
            .texts("channel_layer.symmetric_encryption_keys")
            .unwrap_or_default()
            .into_iter()
            .map(Secret::new)
            .collect(),
        serializer_format: match values.text_or("channel_layer.serializer_format", "msgpack").as_str() {
            "json" => SerializerFormat::Json,
            _ => SerializerFormat::MsgPack,
        },
        random_prefix_length: if is_queued {
            super::websocket::size(values, "channel_layer.random_prefix_length", default.random_prefix_length)
        } else {
            default.random_prefix_length
        },
        lease: if is_queued { lease(values, problems) } else { default.lease },
        queues: if is_queued {
            super::websocket::size(values, "channel_layer.queues", default.queues)
        } else {
            default.queues
        },
        member_per_channel: values.boolean("channel_layer.member_per_channel", default.member_per_channel),
        timeout: values.seconds("channel_layer.timeout", default.timeout),
        ..default
    };
    if let Err(error) = channel_layer::check(&options) {
        let origin = values.origin("channel_layer.channel_capacity");
        problems.push(Problem::new(Code::ChannelLayerRefused, error.to_string()).at(origin));
    }
    options
}

/// With 0 of the project's own, `check` says so: Django itself starts with it.
fn capacity(values: &Values, default: usize, problems: &mut Vec<Problem>) -> usize {
    const PATH: &str = "channel_layer.capacity";
    let capacity = super::websocket::size(values, PATH, default);
    if capacity == 0 && values.is_stated(PATH) {
        let sentence = "`channel_layer.capacity` is how many messages may wait: with 0 every channel is full, and nothing is \
                        ever sent";
        let problem = Problem::new(Code::BadValue, sentence).at(values.origin(PATH));
        problems.push(problem.mend("[channel_layer]\ncapacity = 100        # Channels' default"));
    }
    capacity
}

fn lease(values: &Values, problems: &mut Vec<Problem>) -> Option<Duration> {
    const PATH: &str = "channel_layer.lease";
    if values.given(PATH).is_some_and(|(value, _)| value.is_null()) {
        return None;
    }
    let lease = values.seconds(PATH, Duration::from_mins(2));
    if lease < SHORTEST_LEASE || lease.subsec_nanos() != 0 {
        let sentence = "`channel_layer.lease` takes whole seconds, from 3, or \"off\": it is renewed each third of it";
        let problem = Problem::new(Code::BadValue, sentence).at(values.origin(PATH));
        problems.push(problem.mend("[channel_layer]\nlease = \"120s\""));
    }
    Some(lease)
}

/// `{ "http.*" = 200 }`, or, where the order or a regular expression matters,
/// `[{ glob = "http.*", capacity = 200 }, { regex = "^http", capacity = 5 }]`.
fn channel_capacity(values: &Values, problems: &mut Vec<Problem>) -> Vec<(ChannelPattern, usize)> {
    const PATH: &str = "channel_layer.channel_capacity";
    let Some((value, origin)) = values.given(PATH) else { return Vec::new() };
    let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok());
    let read: Option<Vec<_>> = match value {
        Value::Object(patterns) => {
            patterns.iter().map(|(glob, value)| Some((ChannelPattern::Glob(glob.clone()), count(value)?))).collect()
        }
        Value::Array(list) => list
            .iter()
            .map(|entry| {
                let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
                let pattern = match (text("glob"), text("regex")) {
                    (Some(glob), None) => ChannelPattern::Glob(glob),
                    (None, Some(regex)) => ChannelPattern::Regex(regex),
                    _ => return None,
                };
                Some((pattern, count(entry.get("capacity")?)?))
            })
            .collect(),
        _ => None,
    };
    read.unwrap_or_else(|| {
        let sentence = format!("`{PATH}` takes a capacity for each pattern of channel names");
        let mend = "[channel_layer]\nchannel_capacity = { \"http.*\" = 200 }\n\
                    # or [{ regex = \"^http\", capacity = 200 }], the first that matches";
        problems.push(Problem::new(Code::WrongType, sentence).at(origin).mend(mend));
        Vec::new()
    })
}
