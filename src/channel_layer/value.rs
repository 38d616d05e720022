//! What a message is made of.

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
