//! Values as they may be shown.

use serde_json::Value;

use super::{key::Key, kind::Kind};

/// URLs, or the name of a table.
const LOCATION: &str = "cache.location";
/// URLs, pairs and tables.
const HOSTS: &str = "channel_layer.hosts";

/// Whether a value of the setting may hold a password.
pub(super) fn is_secret(key: &Key) -> bool {
    matches!(key.kind, Kind::Secret | Kind::Secrets) || key.path == LOCATION || key.path == HOSTS
}

/// A setting's value without its secrets.
pub(super) fn masked(key: &Key, value: &Value) -> Value {
    match (key.kind, value) {
        (Kind::Secret, Value::String(text)) if text.is_empty() => value.clone(),
        (Kind::Secret, Value::String(text)) if key.name() == "url" => Value::from(location(text)),
        (Kind::Secrets, Value::Array(list)) => list.iter().map(|_| Value::from("***")).collect(),
        (Kind::Secret | Kind::Secrets, _) => Value::from("***"),
        _ if key.path == LOCATION => locations(value),
        _ if key.path == HOSTS => hosts(value),
        _ => without_secrets(value),
    }
}

fn locations(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(location(text)),
        Value::Array(list) => list.iter().map(locations).collect(),
        other => without_secrets(other),
    }
}

/// `hosts` of a channel layer: a text is a URL, or one that was mistyped, but for the name in a pair of host and port.
fn hosts(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(host).collect(),
        other => host(other),
    }
}

fn host(value: &Value) -> Value {
    let is_name = |text: &str| text.bytes().all(|b| b"-._".contains(&b) || b.is_ascii_alphanumeric());
    match value {
        Value::String(text) => Value::from(location(text)),
        Value::Array(pair) => pair
            .iter()
            .map(|part| match part {
                Value::String(text) if is_name(text) => part.clone(),
                Value::String(_) => Value::from("***"),
                other => without_secrets(other),
            })
            .collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match value {
                Value::String(text) if matches!(name.as_str(), "address" | "url") => {
                    (name.clone(), location(text).into())
                }
                _ => (name.clone(), value.clone()),
            };
            without_secrets(&Value::Object(members.iter().map(member).collect()))
        }
        other => other.clone(),
    }
}

/// A tree without the values that are called passwords, and without logins in URLs.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(without_login(text)),
        Value::Array(list) => list.iter().map(without_secrets).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match value {
                Value::String(text) if name.contains("password") && !text.is_empty() => (name.clone(), "***".into()),
                _ => (name.clone(), without_secrets(value)),
            };
            Value::Object(members.iter().map(member).collect())
        }
        plain => plain.clone(),
    }
}

/// Each URL of the text without user, password and query.
pub(super) fn without_login(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(url_without_login).collect()
}

/// Where nothing but a location may stand: a password may hold spaces, and what is no URL may be one that was mistyped.
fn location(text: &str) -> String {
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b"+-.".contains(&b) || b.is_ascii_alphanumeric()) => {
            if rest.contains('@') || is_plain(rest.split_once('?').map_or(rest, |(place, _)| place)) {
                url_without_login(text)
            } else {
                format!("{scheme}://***")
            }
        }
        // The table of a database cache.
        None if text.is_empty() || is_name(text) => text.to_owned(),
        _ => "***".to_owned(),
    }
}

/// Whether what stands behind `://` is hosts with ports, and a path: `:secret` is neither.
fn is_plain(place: &str) -> bool {
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    authority.split(',').all(|host| {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !host.ends_with(']') => (name, port),
            _ => (host, ""),
        };
        let is_port = port.bytes().all(|b| b.is_ascii_digit());
        is_port && (!name.is_empty() || port.is_empty()) && !name.contains(char::is_whitespace)
    })
}

/// Without what stands before the last `@`, and without the query. Where a `?` comes before that `@`, it is not known
/// which of them belongs to the password: nothing is left.
fn url_without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.len() - rest.trim_end().len();
    let (rest, end) = rest.split_at(rest.len() - end);
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, _)) if login.contains('?') => return format!("{scheme}://***{end}"),
        Some((_, place)) => ("***@", place),
        None => ("", rest),
    };
    match place.split_once('?') {
        Some((place, query)) if query.contains('=') => format!("{scheme}://{login}{place}?***{end}"),
        _ => format!("{scheme}://{login}{place}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::key, *};

    #[test]
    fn no_form_of_a_password_is_shown() {
        let shown = |path: &str, value| masked(key::find(path).unwrap(), &value);
        assert_eq!(shown("secret_key", json!("hunter2")), json!("***"));
        assert_eq!(
            shown("database.url", json!("postgres://u:hunter2@h/n?password=hunter2")),
            json!("postgres://***@h/n?***")
        );
        assert_eq!(shown("cache.location", json!(["redis://:hunter2@h/0"])), json!(["redis://***@h/0"]));
        let servers = json!([{"host": "h", "password": "hunter2", "tls": {"key_password": "hunter2"}}]);
        assert_eq!(
            shown("cache.servers", servers),
            json!([{"host": "h", "password": "***", "tls": {"key_password": "***"}}])
        );
    }
    #[test]
    fn no_password_is_shown_of_what_is_no_url() {
        let texts = [
            "redis://:hunter 2@h",
            "redis://:hunter\n2@h",
            "redis://:hunter?x=2@h",
            "redis://:a?b@hunter@h",
            "redis://:hunter/2@h",
            "redis://h?password=a@hunter",
            "redis://:hunter",
            "redis://u:hunter",
            "redis://:a@h1;redis://:hunter@h2",
            "redis://h/0,redis://:hunter@h2",
            "redis://h redis://:hunter",
            "postgres://u:hunter?x=2@h/n",
            "host=h password=hunter",
            "u:hunter@h/n",
            ":hunter@host:6379",
            "postgres:u:hunter@h/n",
            "redis:/:hunter@h",
            ":hunter://h",
            "://hunter@h",
        ];
        for path in ["cache.url", "cache.location", "database.url"] {
            for text in texts {
                for value in [json!(text), json!([text])] {
                    let shown = masked(key::find(path).unwrap(), &value).to_string();
                    assert!(!shown.contains("hunter"), "{path}: {text:?} is shown as {shown}");
                }
            }
        }
        assert!(!without_login("no answer from redis://:hunter?x=2@h at once").contains("hunter"));
    }

    #[test]
    fn where_a_server_is_stays_readable() {
        let shown = |text: &str| masked(key::find("cache.location").unwrap(), &json!([text]))[0].clone();
        for text in ["redis://h:6379/0", "unix:///run/redis.sock", "redis://[::1]:6379", "rediss://a,b:1/2", "my_cache"]
        {
            assert_eq!(shown(text), json!(text));
        }
        assert_eq!(shown("unix://:hunter2@/run/redis.sock?db=1"), json!("unix://***@/run/redis.sock?***"));
        assert_eq!(without_login("at redis://u:p@h, or\nredis://h?a=b"), "at redis://***@h, or\nredis://h?***");
    }
}
