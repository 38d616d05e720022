//! Bad input, and exactly what is said about it.

use super::{ENOUGH, Given, document, problems, toml};

/// `extra` stands before all that is enough; lines count from it.
fn with(extra: &str) -> String {
    problems(&toml(&format!("{extra}\n{ENOUGH}")))
}

#[test]
fn every_kind_of_mistake_in_the_file_names_its_line_and_what_mends_it() {
    let cases = [
        ("bind = 8001", "E003 sluicegate.toml:1: `bind` takes text in quotes"),
        (
            "bind = \"8001\"",
            "E004 sluicegate.toml:1: `bind` takes an address and a port, not \"8001\"\n    bind = \"0.0.0.0:8001\"",
        ),
        ("bnd = \"x\"", "E002 sluicegate.toml:1: there is no setting `bnd`\n    Did you mean `bind`?"),
        ("leeway = 1", "E002 sluicegate.toml:1: there is no setting `leeway`\n    Did you mean `simple_jwt.leeway`?"),
        (
            "[channel_layer]\nhost = [\"x\"]",
            "E002 sluicegate.toml:2: there is no setting `channel_layer.host`\n    Did you mean `channel_layer.hosts`?",
        ),
        (
            "[simple_jwt]\nallowed_hosts = []",
            "E002 sluicegate.toml:2: there is no setting `simple_jwt.allowed_hosts`\n    Did you mean `allowed_hosts`?",
        ),
        ("zzz = 1", "E002 sluicegate.toml:1: there is no setting `zzz`"),
        (
            "[simple_jvt]\nleeway = 1",
            "E002 sluicegate.toml:1: there is no section [simple_jvt]\n    Did you mean [simple_jwt]?",
        ),
        (
            "debug = 2026-01-01",
            "E003 sluicegate.toml:1: a date, or a number beyond 64 bits, is no value of any setting",
        ),
        (
            "[token]\nserve = true",
            "E005 sluicegate.toml:2: `token.serve`: the token views stay at Django in this version\n    Remove it.",
        ),
        (
            "[upstream]\nurl = \"https://u:p@h\"",
            "E062 sluicegate.toml:2: `upstream.url`: \"https://***@h\" asks for TLS: the way to Django is not encrypted, so take http://, within the machine or a trusted network\n    [upstream]\n    url = \"http://127.0.0.1:8000\"        # where uvicorn, Daphne or gunicorn listens",
        ),
        (
            "[ticket]\nserve = \"maybe\"",
            "E003 sluicegate.toml:2: `ticket.serve` takes true, false or \"auto\", not \"maybe\"",
        ),
        (
            "[limits]\nhandshake_timeout = \"soon\"",
            "E003 sluicegate.toml:2: `limits.handshake_timeout` takes a number of seconds, or a text such as \"30s\" or \"5m\", not \"soon\"",
        ),
        (
            "[limits]\nconnections_per_address = 5",
            "E080 sluicegate.toml:2: `limits.connections_per_address` counts clients by address, and behind a proxy all have the proxy's\n    [limits]\n    trusted_proxies = [\"10.0.0.0/8\"]        # whose X-Forwarded-For counts; [] if there is no proxy",
        ),
        (
            "[limits]\nhandshake_timeout = 1e12",
            "E003 sluicegate.toml:2: `limits.handshake_timeout` takes a number of seconds, or a text such as \"30s\" or \"5m\", from 0 to 3155760000 s",
        ),
        (
            "[limits]\nheader_bytes = \"99 GiB\"",
            "E003 sluicegate.toml:2: `limits.header_bytes` takes a number of bytes, or a text such as \"64 KiB\", below 2 GiB, not \"99 GiB\"",
        ),
        (
            "[limits]\nconnections = 99999999999999999999",
            "E003 sluicegate.toml:2: a date, or a number beyond 64 bits, is no value of any setting",
        ),
        (
            "[health]\npath_prefix = \"internal\"",
            "E004 sluicegate.toml:2: `health.path_prefix` takes a path that starts with a slash\n    [health]\n    path_prefix = \"/internal\"",
        ),
        (
            "[simple_jwt]\nalgorithm = \"HS1\"",
            "E004 sluicegate.toml:2: the algorithm \"HS1\" is not one of SimpleJWT's\n    [simple_jwt]\n    algorithm = \"HS256\"",
        ),
    ];
    for (extra, expected) in cases {
        // A section of the case must not swallow the names on top of the file.
        let top = ENOUGH.split("[database]").next().unwrap();
        let text = if extra.starts_with('[') {
            format!("{extra}\n{}", ENOUGH.replace(top, "")).replace("[[route]]", "[[route]]")
        } else {
            format!("{extra}\n{ENOUGH}")
        };
        assert_eq!(problems(&toml(&text)), expected, "{extra}");
    }
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let said = with("debug = yes");
    assert!(said.starts_with("E001 sluicegate.toml:1: "), "{said}");
}

#[test]
fn all_problems_are_told_at_once() {
    let said = with("bnd = 1\ndebug = \"x\"");
    assert_eq!(said.lines().filter(|line| line.starts_with('E')).count(), 2, "{said}");
}

#[test]
fn a_route_is_a_path_or_a_regex_with_templates_that_compile() {
    let route = |text: &str| problems(&toml(&format!("{}{text}", ENOUGH.split("[[route]]").next().unwrap())));
    let mend = "\n    [[route]]\n    path = \"ws/chat/<str:room>/\"";
    assert_eq!(route("[[route]]\n"), format!("E060 sluicegate.toml:14: a route needs a path or a regex{mend}"));
    let both = route("[[route]]\npath = \"a\"\nregex = \"b\"");
    assert_eq!(both, format!("E060 sluicegate.toml:14: a route has a path or a regex, not both{mend}"));
    for (bad, line) in [
        ("path = \"<wrong:x>/\"", 14),
        ("regex = \"(\"", 14),
        ("path = \"a\"\nreceive = { reply = \"{{ nothing }}\" }", 16),
    ] {
        let said = route(&format!("[[route]]\n{bad}"));
        assert!(said.starts_with(&format!("E060 sluicegate.toml:{line}: ")), "{said}");
    }
    assert_eq!(
        route("[[route]]\npath = \"/ws/lead/\""),
        "E060 sluicegate.toml:14: `route.path` is matched without the path's first slash, so \"/ws/lead/\" never matches\n    [[route]]\n    path = \"ws/lead/\""
    );
    let said = route("[[route]]\nregex = '^/ws/\\d+$'");
    assert!(said.ends_with("\n    [[route]]\n    regex = '^ws/\\d+$'"), "{said}");
    assert!(route("[route]\npath = \"a\"").starts_with("E060 sluicegate.toml:14: routes are a list"));
}

#[test]
fn names_that_no_client_can_send_are_refused() {
    let with = |name: &str, list: &str| {
        let own = ENOUGH.replace("[websocket]\n", &format!("[websocket]\n{name} = {list}\n"));
        let own = if name == "allowed_origins" { own.replacen("allowed_origins = [\"https", "#", 1) } else { own };
        problems(&toml(&own))
    };
    for bad in ["a b", "", "\\n", "a,b"] {
        let said = with("subprotocols", &format!("[\"ok\", \"{bad}\"]"));
        assert!(said.starts_with("E004 sluicegate.toml:12: `websocket.subprotocols`"), "{said}");
    }
    assert_eq!(with("subprotocols", "[\"graphql-transport-ws\", \"v1.chat\"]"), "");
    for bad in ["http://[::1", "", "https://a b"] {
        let said = with("allowed_origins", &format!("[\"*\", \"{bad}\"]"));
        assert!(said.starts_with("E004 sluicegate.toml:12: `websocket.allowed_origins`"), "{said}");
    }
    assert_eq!(with("allowed_origins", "[\"*\", \"http://[::1]:80\", \".example.com\", \"null\"]"), "");
}

#[test]
fn variables_are_checked_as_the_file_is() {
    let said =
        |environment: &[(&str, &str)]| problems(&Given { toml: Some(ENOUGH), environment, ..Given::default() }.read());
    assert_eq!(said(&[("SLUICEGATE__SIMPLE_JWT__LEEWAY", "5s"), ("SLUICEGATE_BIND", "[::1]:9000")]), "");
    assert_eq!(
        said(&[("SLUICEGATE__SIMPLE_JWT__LEWAY", "5")]),
        "E002 SLUICEGATE__SIMPLE_JWT__LEWAY: there is no setting `simple_jwt.leway`\n    Did you mean `simple_jwt.leeway`?"
    );
    assert_eq!(said(&[("SLUICEGATE__DEBUG", "x")]), "E003 SLUICEGATE__DEBUG: `debug` takes true or false, not \"x\"");
    // Kubernetes sets these for a service of our name.
    assert_eq!(said(&[("SLUICEGATE_PORT", "tcp://10.0.0.1:80"), ("SLUICEGATE_SERVICE_HOST", "10.0.0.1")]), "");
}

#[test]
fn a_secret_of_the_wrong_form_is_not_shown() {
    let said = problems(
        &Given {
            toml: Some("[cache]\nlocation = \"redis://:hunter2@h/x\""),
            environment: &[("SLUICEGATE_DATABASE_URL", "postgres://u:hunter2@h")],
            ..Given::default()
        }
        .read(),
    );
    assert!(said.contains("E031 SLUICEGATE_DATABASE_URL") && said.contains("E041 sluicegate.toml:2"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn no_settings_at_all_is_one_problem() {
    let said = problems(&Given::default().read());
    assert!(said.starts_with("E007: ") && said.lines().filter(|line| line.starts_with('E')).count() == 1, "{said}");
}

#[test]
fn caches_that_cannot_hold_tickets_are_refused_by_name() {
    for (kind, word) in
        [("dummy", "DummyCache"), ("memcached", "Memcached"), ("file", "FileBasedCache"), ("other", "x.Y")]
    {
        let report = document("[[route]]\npath = \"ws/\"", |document| {
            document["items"]["cache"]["value"] =
                serde_json::json!({"backend": "x.Y", "kind": kind, "key_pattern": "{prefix}:{version}:{key}"});
        });
        let said = problems(&report);
        assert!(said.starts_with("E042 Django's CACHES[\"default\"]: ") && said.contains(word), "{said}");
    }
    for (name, value) in
        [("client", "shard"), ("client", "herd"), ("compressor", "lzma"), ("serializer", "mine.Serializer")]
    {
        let report = document("[[route]]\npath = \"ws/\"", |document| {
            document["items"]["cache"]["value"]["kind"] = "django_redis".into();
            document["items"]["cache"]["value"][name] = value.into();
        });
        let said = problems(&report);
        assert!(said.starts_with("E042 Django's CACHES[\"default\"]: "), "{said}");
    }
}

#[test]
fn a_key_function_that_could_not_be_told_has_to_be_stated() {
    let change = |document: &mut serde_json::Value| {
        let cache = &mut document["items"]["cache"]["value"];
        cache["key_pattern"] = serde_json::Value::Null;
        cache["key_problem"] = "it reads mine.TENANT".into();
    };
    let route = "[[route]]\npath = \"ws/\"\n";
    let said = problems(&document(route, change));
    assert!(said.starts_with("E044 ") && said.contains("mine.TENANT"), "{said}");
    let report = document(&format!("{route}[cache]\nkey = \"{{key}}@{{prefix}}\""), change);
    assert_eq!(problems(&report), "");
    assert_eq!(report.settings.unwrap().admission.unwrap().cache.key.pattern, "{key}@{prefix}");
}

#[test]
fn another_engine_than_the_one_that_django_compiled_for_is_refused() {
    let report = document("[database]\nurl = \"mysql://u@h/n\"\n[[route]]\npath = \"ws/\"", |_| {});
    let said = problems(&report);
    assert_eq!(
        said,
        "E033 sluicegate.toml:2: Django's user query was compiled for postgresql, but this is a database of mysql"
    );
}
