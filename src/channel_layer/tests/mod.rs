//! What several tests share.

pub(super) mod contract;
mod mailbox;
mod proxy;
mod python;
mod repr;

use serde_json::Value as Json;

use super::Value;

pub(super) use mailbox::Mailbox;
pub(super) use proxy::Proxy;
pub(super) use repr::value_from_repr;

/// The vectors `channel-layer-<name>.json`.
pub(super) fn vectors(name: &str) -> Json {
    let path = format!("{}/tests/vectors/channel-layer-{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The bytes that a vector gives in hexadecimal.
pub(super) fn unhex(text: &Json) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A message that tells itself from others.
pub(super) fn event(number: i64) -> Value {
    Value::map([("type", "chat.message".into()), ("number", number.into())])
}
