//! The channel layer, from Django and from the file.

use serde_json::{Value, json};

use super::{ENOUGH, Given, document, problems, toml};
use crate::{
    channel_layer::{ChannelLayerOptions, ChannelPattern, Host, LayerBackend, SerializerFormat},
    redis::{RedisAddress, RedisOptions, RedisTls, RedisTopology},
    secret::Secret,
    settings::render,
};

const GROUPS: &str = "[[route]]\npath = \"ws/\"\ngroups = [\"all\"]\n";

fn layer(value: Value) -> impl FnOnce(&mut Value) {
    move |document| document["items"]["channel_layer"]["value"] = value
}

fn stated(text: &str) -> ChannelLayerOptions {
    let report = toml(&format!("{ENOUGH}{text}"));
    assert_eq!(problems(&report), "", "{text}");
    report.settings.unwrap().channel_layer.unwrap()
}

fn host(name: &str, port: u16) -> RedisOptions {
    let address = RedisAddress::Tcp { host: name.to_owned(), port, tls: None };
    RedisOptions { topology: RedisTopology::Single(address), username: None, password: None, database: 0 }
}

#[test]
fn a_projects_layer_is_taken_over() {
    let server = |host: &str, port: u16| json!({"host": host, "port": port, "db": 2, "password": "layer-password"});
    let mut sentinel = server("", 0);
    sentinel["host"] = Value::Null;
    sentinel["sentinels"] = json!([{"host": "s1", "port": 26379, "password": "sentinel-password"}]);
    sentinel["service_name"] = json!("primary");
    let report = document(
        GROUPS,
        layer(json!({
            "backend": "channels_redis.core.RedisChannelLayer",
            "kind": "redis",
            "servers": [server("one", 6380), sentinel],
            "prefix": "site",
            "expiry": 30,
            "group_expiry": 3600,
            "capacity": 500,
            "channel_capacity": [{"glob": "http.*", "capacity": 2}, {"regex": "(?i)^x", "capacity": 3}],
            "symmetric_encryption_keys": ["layer-key-1", "layer-key-2"],
            "serializer_format": "json",
            "random_prefix_length": 4,
            "unsupported": [],
        })),
    );
    assert_eq!(problems(&report), "");
    let shown = render(&report);
    for secret in ["layer-password", "sentinel-password", "layer-key"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("capacity = 500  # Django's CHANNEL_LAYERS[\"default\"]"), "{shown}");
    let login = RedisOptions { password: Some(Secret::new("layer-password")), database: 2, ..host("one", 6380) };
    let sentinels = RedisTopology::Sentinel {
        sentinels: vec![RedisAddress::Tcp { host: "s1".to_owned(), port: 26379, tls: None }],
        service: "primary".to_owned(),
        sentinel_username: None,
        sentinel_password: Some(Secret::new("sentinel-password")),
        primary_tls: None,
    };
    let expected = ChannelLayerOptions {
        hosts: vec![Host::from(login.clone()), Host::from(RedisOptions { topology: sentinels, ..login })],
        prefix: "site".to_owned(),
        expiry: std::time::Duration::from_secs(30),
        group_expiry: std::time::Duration::from_hours(1),
        capacity: 500,
        channel_capacity: vec![
            (ChannelPattern::Glob("http.*".to_owned()), 2),
            (ChannelPattern::Regex("(?i)^x".to_owned()), 3),
        ],
        symmetric_encryption_keys: vec![Secret::new("layer-key-1"), Secret::new("layer-key-2")],
        serializer_format: SerializerFormat::Json,
        random_prefix_length: 4,
        ..ChannelLayerOptions::default()
    };
    assert_eq!(report.settings.unwrap().channel_layer, Some(expected));
}

#[test]
fn every_form_of_hosts_may_be_written_in_the_file() {
    let login = |options: RedisOptions| RedisOptions { password: Some(Secret::new("pw")), database: 3, ..options };
    let tls = |options: RedisTls| {
        RedisTopology::Single(RedisAddress::Tcp { host: "h".to_owned(), port: 1, tls: Some(options) })
    };
    let any = RedisTls { accept_any_certificate: true, ..RedisTls::default() };
    let unix = RedisTopology::Single(RedisAddress::Unix("/run/redis.sock".into()));
    let sentinels = RedisTopology::Sentinel {
        sentinels: vec![
            RedisAddress::Tcp { host: "s1".to_owned(), port: 1, tls: None },
            RedisAddress::Tcp { host: "s2".to_owned(), port: 26379, tls: None },
        ],
        service: "m".to_owned(),
        sentinel_username: None,
        sentinel_password: Some(Secret::new("sp")),
        primary_tls: None,
    };
    for (written, expected) in [
        ("\"redis://:pw@h:1/3\"", login(host("h", 1))),
        ("[\"h\", 1]", host("h", 1)),
        ("{ address = \"redis://h:1\", password = \"pw\", db = 3 }", login(host("h", 1))),
        ("{ host = \"h\", port = 1 }", host("h", 1)),
        ("{ host = \"h\" }", host("h", 6379)),
        (
            "{ path = \"/run/redis.sock\", db = 3, password = \"pw\" }",
            login(RedisOptions { topology: unix, ..host("", 0) }),
        ),
        ("{ address = \"rediss://h:1\", ssl_cert_reqs = false }", RedisOptions { topology: tls(any), ..host("", 0) }),
        ("{ host = \"h\", port = 1, ssl = true }", RedisOptions { topology: tls(RedisTls::default()), ..host("", 0) }),
        (
            "{ sentinels = [[\"s1\", 1], \"s2\"], master_name = \"m\", sentinel_kwargs = { password = \"sp\" } }",
            RedisOptions { topology: sentinels, ..host("", 0) },
        ),
    ] {
        let options = stated(&format!("[channel_layer]\nhosts = [{written}]\n"));
        assert_eq!(options.hosts, [Host::from(expected)], "{written}");
    }
}

#[test]
fn what_is_ours_of_the_layer_is_stated_in_the_file() {
    let options = stated(
        "[channel_layer]\nbackend = \"redis_pubsub\"\nurl = \"redis://h\"\nmember_per_channel = true\ntimeout = \"1s\"\n",
    );
    assert_eq!((options.backend, options.member_per_channel), (LayerBackend::RedisPubSub, true));
    assert_eq!(options.timeout.as_secs(), 1);
    let options = stated(
        "[channel_layer]\nurl = \"redis://h\"\nlease = \"off\"\nqueues = 4\nchannel_capacity = { \"a*\" = 1 }\n",
    );
    assert_eq!((options.lease, options.queues), (None, 4));
    assert_eq!(options.channel_capacity, [(ChannelPattern::Glob("a*".to_owned()), 1)]);
    assert_eq!(stated("[channel_layer]\nurl = \"redis://h\"\nlease = \"30s\"\n").lease.unwrap().as_secs(), 30);
}

#[test]
fn another_address_keeps_the_rest_of_the_projects_layer() {
    let item = json!({
        "backend": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "kind": "redis_pubsub",
        "servers": [{"host": "django", "port": 6379}],
        "prefix": "site",
        "serializer_format": "json",
    });
    let report = document(&format!("{GROUPS}[channel_layer]\nurl = \"redis://other\"\n"), layer(item));
    assert_eq!(problems(&report), "");
    let options = report.settings.unwrap().channel_layer.unwrap();
    assert_eq!((options.backend, options.prefix.as_str()), (LayerBackend::RedisPubSub, "site"));
    assert_eq!(options.hosts, [Host::new("other", 6379)]);
}

#[test]
fn a_projects_capacity_of_0_is_left_to_check() {
    let report = document(
        GROUPS,
        layer(json!({
            "backend": "channels_redis.core.RedisChannelLayer",
            "kind": "redis",
            "servers": [{"host": "django", "port": 6379}],
            "capacity": 0,
        })),
    );
    assert_eq!(problems(&report), "");
    assert_eq!(report.settings.unwrap().channel_layer.unwrap().capacity, 0);
}

#[test]
fn what_cannot_be_used_is_refused_only_where_a_route_needs_it() {
    let other = json!({"backend": "mysite.layers.Layer", "kind": "other", "unsupported": []});
    let own = json!({
        "backend": "mysite.layers.Layer",
        "kind": "redis",
        "servers": [{"host": "h"}],
        "unsupported": ["mysite.layers.Layer overrides group_send()"],
    });
    let none = json!({"backend": null, "kind": "none", "unsupported": []});
    let memory = json!({"backend": "channels.layers.InMemoryChannelLayer", "kind": "in_memory", "unsupported": []});
    for (item, expected) in [
        (
            other,
            "E046 Django's CHANNEL_LAYERS[\"default\"]: the channel layer mysite.layers.Layer is not supported\n    \
             channels_redis' RedisChannelLayer and RedisPubSubChannelLayer are.",
        ),
        (
            own,
            "E021 Django's CHANNEL_LAYERS[\"default\"]: the channel layer cannot be matched without Python: \
             mysite.layers.Layer overrides group_send()",
        ),
        (
            none,
            "E045 sluicegate.toml:1: this route uses groups or channels, and there is no channel layer\n    \
             [channel_layer]\n    hosts = [\"redis://host:6379/0\"]        # as in CHANNEL_LAYERS[\"default\"]",
        ),
        (
            memory,
            "E047 Django's CHANNEL_LAYERS[\"default\"]: InMemoryChannelLayer is the memory of one process: what Django \
             sends to a group there reaches no socket here",
        ),
    ] {
        let said = problems(&document(GROUPS, layer(item.clone())));
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(problems(&document("[[route]]\npath = \"ws/\"\n", layer(item))), "");
    }
}

#[test]
fn the_layer_in_memory_is_a_deliberate_choice() {
    let report = Given {
        toml: Some(&format!("{ENOUGH}groups = [\"a\"]\n[channel_layer]\nbackend = \"in_memory\"\n")),
        ..Given::default()
    };
    let report = report.read();
    assert_eq!(problems(&report), "");
    assert_eq!(report.settings.unwrap().channel_layer.unwrap().backend, LayerBackend::InMemory);
    assert!(report.notes.iter().any(|note| note.contains("neither Django nor another process")), "{:?}", report.notes);
}

#[test]
fn a_layer_that_cannot_be_used_is_told_with_its_line_and_without_its_password() {
    let hosts = "E046 sluicegate.toml:17: ";
    for (written, expected) in [
        ("hosts = [\"http://u:hunter2@h\"]", format!("{hosts}the location starts with http://")),
        ("hosts = [\"h:hunter2\"]", format!("{hosts}the location is no URL")),
        ("hosts = [1]", format!("{hosts}`hosts` takes URLs, pairs such as [\"host\", 6379], or tables")),
        ("hosts = [[\"h\", 70000]]", format!("{hosts}a port in `hosts` is no port")),
        ("hosts = [{ hst = \"h\" }]", format!("{hosts}a table of `hosts` has no `hst`; did you mean `host`?")),
        ("hosts = [{ master_name = \"m\" }]", format!("{hosts}`master_name` needs `sentinels = [[\"host\", 26379]]`")),
        ("url = \"redis://u:hunter2@h/x\"", format!("{hosts}the database in the location is no number")),
        (
            "url = \"http://hunter2@h\"",
            format!("{hosts}the location starts with http://\n    [channel_layer]\n    url = \"redis://host:6379/0\""),
        ),
        ("backend = \"other.Layer\"", format!("{hosts}the channel layer other.Layer is not supported")),
        (
            "url = \"redis://h\"\nlease = 1",
            "E004 sluicegate.toml:18: `channel_layer.lease` takes whole seconds".to_owned(),
        ),
        (
            "url = \"redis://h\"\nexpiry = 0.5",
            "E004 sluicegate.toml:18: `channel_layer.expiry` takes whole seconds".to_owned(),
        ),
        (
            "url = \"redis://h\"\nchannel_capacity = 5",
            "E003 sluicegate.toml:18: `channel_layer.channel_capacity` takes a capacity for each pattern".to_owned(),
        ),
        (
            "url = \"redis://h\"\nchannel_capacity = [{ regex = \"(\", capacity = 1 }]",
            "E046 sluicegate.toml:18: the pattern \"(\" of channel_capacity".to_owned(),
        ),
        (
            "url = \"redis://h\"\ncapacity = 0",
            "E004 sluicegate.toml:18: `channel_layer.capacity` is how many messages may wait: with 0".to_owned(),
        ),
        ("url = \"redis://h\"\nserializer_format = \"pickle\"", "E003 sluicegate.toml:18: ".to_owned()),
        ("symmetric_encryption_keys = 5", "E003 sluicegate.toml:17: ".to_owned()),
    ] {
        let report = toml(&format!("{ENOUGH}[channel_layer]\n{written}\n"));
        let said = problems(&report);
        assert!(said.starts_with(&expected), "{written}: {said}");
        assert!(!said.contains("hunter2") && !render(&report).contains("hunter2"), "{said}\n{}", render(&report));
    }
}
