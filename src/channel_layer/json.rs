//! `serializer_format = "json"`: `json.dumps` and `json.loads`.

use num_bigint::BigInt;

use super::value::Value;
use crate::python::{self, json, repr_float};

/// What `json.dumps` has no form for, or `json.loads` does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// `json.dumps(value)`.
///
/// # Errors
///
/// What it raises on, by name.
pub(super) fn dumps(value: &Value) -> Result<String, &'static str> {
    json::dumps(&to_python(value)?).map_err(|_| "a value that JSON has no form for")
}

/// `json.loads(bytes)`.
///
/// # Errors
///
/// Where it raises; and for an integer of more than 38 digits.
pub(super) fn loads(bytes: &[u8]) -> Result<Value, NotJson> {
    from_python(json::loads(bytes).map_err(|_| NotJson)?)
}

impl Value {
    /// A value of JSON as that of a message. `None` for an integer of more than 38 digits, and for what JSON does not hold.
    pub(crate) fn from_python(value: python::Value) -> Option<Self> {
        from_python(value).ok()
    }
}

fn to_python(value: &Value) -> Result<python::Value, &'static str> {
    Ok(match value {
        Value::Nil => python::Value::None,
        Value::Bool(flag) => python::Value::Bool(*flag),
        Value::Int(number) => BigInt::from(*number).into(),
        Value::Float(number) => python::Value::Float(*number),
        Value::Str(text) => python::Value::Str(text.clone()),
        Value::Array(items) => python::Value::List(items.iter().map(to_python).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(name, value)| Ok((key(name)?, to_python(value)?)));
            python::Value::Dict(entries.collect::<Result<_, &'static str>>()?)
        }
        Value::Bytes(_) => return Err("bytes as JSON"),
        Value::Ext(..) => return Err("an ExtType as JSON"),
        Value::LoneSurrogates => return Err("text with lone surrogates"),
    })
}

/// The text that a key becomes.
fn key(key: &Value) -> Result<String, &'static str> {
    Ok(match key {
        Value::Str(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Nil => "null".to_owned(),
        Value::Float(number) if number.is_finite() => repr_float(*number),
        _ => return Err("a key of this type as JSON"),
    })
}

fn from_python(value: python::Value) -> Result<Value, NotJson> {
    Ok(match value {
        python::Value::None => Value::Nil,
        python::Value::Bool(flag) => Value::Bool(flag),
        python::Value::Int(number) => Value::Int(number.into()),
        python::Value::BigInt(number) => Value::Int(i128::try_from(number).map_err(|_| NotJson)?),
        python::Value::Float(number) => Value::Float(number),
        python::Value::Str(text) => Value::Str(text),
        python::Value::LoneSurrogates => Value::LoneSurrogates,
        python::Value::List(items) => Value::Array(items.into_iter().map(from_python).collect::<Result<_, _>>()?),
        python::Value::Dict(entries) => {
            let entries = entries.into_iter().map(|(name, value)| Ok((Value::Str(name), from_python(value)?)));
            Value::Map(entries.collect::<Result<_, NotJson>>()?)
        }
        // No JSON reads as these.
        python::Value::Bytes(_) | python::Value::Uuid(_) => return Err(NotJson),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_text_as_in_python() {
        let keys = [Value::Int(1), Value::Bool(true), Value::Nil, Value::Float(1.5), "a".into()];
        let map = Value::Map(keys.into_iter().map(|key| (key, Value::Nil)).collect());
        assert_eq!(dumps(&map).unwrap(), r#"{"1": null, "true": null, "null": null, "1.5": null, "a": null}"#);
        assert!(dumps(&Value::Map(vec![(Value::Bytes(vec![]), Value::Nil)])).is_err());
    }

    #[test]
    fn integers_are_read_up_to_38_digits() {
        assert_eq!(loads(b"18446744073709551616"), Ok(Value::Int(1 << 64)));
        assert_eq!(loads("9".repeat(40).as_bytes()), Err(NotJson));
        assert_eq!(loads(br#""\ud800""#), Ok(Value::LoneSurrogates));
    }
}
