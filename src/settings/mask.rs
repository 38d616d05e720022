//! Values as they may be shown.

use serde_json::Value;

use super::{key::Key, kind::Kind};

/// A setting's value without its secrets.
pub(super) fn masked(key: &Key, value: &Value) -> Value {
    match (key.kind, value) {
        (Kind::Secret, Value::String(text)) if text.is_empty() => value.clone(),
        (Kind::Secret, Value::String(text)) if key.name() == "url" => Value::from(without_login(text)),
        (Kind::Secret, _) => Value::from("***"),
        _ => without_secrets(value),
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
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let Some(scheme) = word.find("://") else {
            return word.to_owned();
        };
        let word = match word.split_once('?') {
            Some((url, query)) if query.contains('=') => format!("{url}?***"),
            _ => word.to_owned(),
        };
        match word.rfind('@') {
            Some(at) if at > scheme => format!("{}://***{}", &word[..scheme], &word[at..]),
            _ => word,
        }
    });
    words.collect()
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
}
