//! What a message is made of.

use serde::{Serialize, Serializer, ser::Error as _};

/// A value of a message: what Python's `msgpack` and `json` can carry.
///
/// A message is a [`Value::Map`] with text keys, of which `type` names the handler.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`. The msgpack serializer holds -2⁶³ to 2⁶⁴ - 1; the JSON serializer all of these.
    Int(i128),
    /// `float`, NaN and the infinities included.
    Float(f64),
    /// `str`.
    Str(String),
    /// `bytes`, which the JSON serializer cannot hold.
    Bytes(Vec<u8>),
    /// `list` or `tuple`.
    Array(Vec<Value>),
    /// `dict`, in its order. Keys are [`Value::Str`], or [`Value::Bytes`] where msgpack carried them; each stands once.
    Map(Vec<(Value, Value)>),
    /// `msgpack.ExtType(code, data)`; with code -1 a `msgpack.Timestamp`.
    Ext(i8, Vec<u8>),
    /// A `str` with lone surrogates, which only the JSON serializer can carry. Its content is not kept, so it cannot be
    /// sent on.
    LoneSurrogates,
}

impl Value {
    /// A `dict` with these text keys.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (Self::Str(key.into()), value)).collect())
    }

    /// `value[key]` of a `dict`; `None` where this is no `dict` or has no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// About how many bytes it takes in a message.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Nil | Self::Bool(_) | Self::LoneSurrogates => 1,
            Self::Int(_) | Self::Float(_) => 9,
            Self::Str(text) => 5 + text.len(),
            Self::Bytes(bytes) | Self::Ext(_, bytes) => 5 + bytes.len(),
            Self::Array(items) => 5 + items.iter().map(Self::weight).sum::<usize>(),
            Self::Map(entries) => 5 + entries.iter().map(|(key, value)| key.weight() + value.weight()).sum::<usize>(),
        }
    }

    /// The text of a `str`.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an `int` within 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number.into())
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(flag) => Self::Bool(flag),
            serde_json::Value::Number(number) => match number.as_i128() {
                Some(integer) => Self::Int(integer),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::Str(text),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(entries) => {
                Self::map(entries.into_iter().map(|(key, value)| (key, Self::from(value))))
            }
        }
    }
}

/// As JSON has it: what has no form there is an error, as in Python.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_none(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(number)) => serializer.serialize_u64(number),
                _ => serializer.serialize_i128(*number),
            },
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Str(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
            Self::Bytes(_) => Err(S::Error::custom("Object of type bytes is not JSON serializable")),
            Self::Ext(..) => Err(S::Error::custom("Object of type ExtType is not JSON serializable")),
            Self::LoneSurrogates => Err(S::Error::custom("text with lone surrogates is not kept")),
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

/// Each key in its first place, with its last value, as `dict` has it.
pub(super) fn last_of_each_key(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    use std::collections::HashMap;

    fn bytes_of(key: &Value) -> (bool, &[u8]) {
        match key {
            Value::Str(text) => (true, text.as_bytes()),
            Value::Bytes(bytes) => (false, bytes),
            _ => (false, &[]),
        }
    }

    const FEW: usize = 16;
    let repeats = entries.len() > FEW // Not known: the map finds out.
        || entries.iter().enumerate().any(|(index, (key, _))| entries[..index].iter().any(|(other, _)| other == key));
    if !repeats {
        return entries;
    }
    let mut places: HashMap<(bool, Vec<u8>), usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let (is_text, bytes) = bytes_of(&key);
        let place = *places.entry((is_text, bytes.to_vec())).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => kept.push((key, value)),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_a_value_and_json_again() {
        let json = serde_json::json!({ "a": [1, -2.5, null, true, u64::MAX], "b": { "c": "é" } });
        let value = Value::from(json.clone());
        assert_eq!(value.get("b").and_then(|b| b.get("c")), Some(&"é".into()));
        assert_eq!(serde_json::to_value(&value).unwrap(), json);
        assert!(serde_json::to_value(Value::Bytes(vec![1])).is_err(), "as in Python");
    }

    #[test]
    fn of_a_repeated_key_the_last_value_stands_in_the_first_place() {
        for padding in [0, 40] {
            let mut entries = vec![("a".into(), 1.into()), ("b".into(), 2.into()), ("a".into(), 3.into())];
            entries.push((Value::Bytes(b"a".to_vec()), 4.into()));
            entries.extend((0..padding).map(|number| (format!("k{number}").into(), Value::from(number))));
            let kept = last_of_each_key(entries);
            assert_eq!(kept[..2], [("a".into(), 3.into()), ("b".into(), 2.into())]);
            assert_eq!(kept[2], (Value::Bytes(b"a".to_vec()), 4.into()));
        }
    }
}
