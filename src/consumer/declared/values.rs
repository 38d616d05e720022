//! Python's values in templates, and back: what a template passes on keeps its type, its digits and its order.

use std::{fmt, sync::Arc};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};

use crate::python::Value;

/// A `dict`, with its keys in their order.
#[derive(Debug)]
struct Dict(Vec<(String, Jinja)>);

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Jinja::from(name.as_str())).collect())
    }
}

/// A value that templates can pass on but not look into: an integer of more than 128 bits, text with lone surrogates.
#[derive(Debug)]
struct Opaque(Value);

impl Object for Opaque {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::BigInt(number) => write!(f, "{number}"),
            _ => f.write_str(char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4])),
        }
    }
}

/// `value` for templates.
pub(super) fn to_template(value: &Value) -> Jinja {
    match value {
        Value::None => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Int(number) => Jinja::from(*number),
        Value::BigInt(number) => {
            i128::try_from(number).map_or_else(|_| Jinja::from_object(Opaque(value.clone())), Jinja::from)
        }
        Value::Float(number) => Jinja::from(*number),
        Value::Str(text) => Jinja::from(text.as_str()),
        Value::LoneSurrogates => Jinja::from_object(Opaque(Value::LoneSurrogates)),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.clone()),
        Value::Uuid(uuid) => Jinja::from(uuid.hyphenated().to_string()),
        Value::List(items) => Jinja::from(items.iter().map(to_template).collect::<Vec<_>>()),
        Value::Dict(entries) => dict(entries.iter().map(|(name, value)| (name.clone(), to_template(value))).collect()),
    }
}

/// A `dict` for templates.
pub(super) fn dict(entries: Vec<(String, Jinja)>) -> Jinja {
    Jinja::from_object(Dict(entries))
}

/// What a template computed; `None` where it is undefined, or nothing that Python's `json` knows.
pub(super) fn from_template(value: &Jinja) -> Option<Value> {
    if let Some(Opaque(value)) = value.downcast_object_ref() {
        return Some(value.clone());
    }
    if let Some(Dict(entries)) = value.downcast_object_ref() {
        let entries = entries.iter().map(|(name, value)| Some((name.clone(), from_template(value)?)));
        return entries.collect::<Option<_>>().map(Value::Dict);
    }
    Some(match value.kind() {
        ValueKind::None => Value::None,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => match value.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::from(num_bigint::BigInt::from(i128::try_from(value.clone()).ok()?)),
        },
        ValueKind::Number => Value::Float(f64::try_from(value.clone()).ok()?),
        ValueKind::String => Value::Str(value.as_str()?.to_owned()),
        ValueKind::Bytes => Value::Bytes(value.as_bytes()?.to_vec()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().ok()?.map(|item| from_template(&item));
            Value::List(items.collect::<Option<_>>()?)
        }
        ValueKind::Map => {
            let entries = value.try_iter().ok()?.map(|key| {
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                Some((name, from_template(&value.get_item(&key).ok()?)?))
            });
            Value::Dict(entries.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Whether `value` has more than `depth` containers within one another.
pub(super) fn is_deeper(value: &Value, depth: usize) -> bool {
    match value {
        Value::List(items) => depth == 0 || items.iter().any(|value| is_deeper(value, depth - 1)),
        Value::Dict(entries) => depth == 0 || entries.iter().any(|(_, value)| is_deeper(value, depth - 1)),
        _ => false,
    }
}

/// Whether a frame's value is the one that `when` asks for. As `==` in Python, but `true` is not 1.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "a frame's 1.0 is the settings' 1")]
        (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => *int as f64 == *float,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Dict(left), Value::Dict(_)) => {
            let Value::Dict(entries) = right else { return false };
            left.len() == entries.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        (Value::LoneSurrogates, _) => false,
        _ => left == right,
    }
}

/// A value of the settings as Python would read it from JSON.
pub(super) fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::from(num_bigint::BigInt::from(number)),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Str(text.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(from_json).collect()),
        serde_json::Value::Object(entries) => {
            Value::Dict(entries.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::json;

    #[test]
    fn a_frame_goes_through_a_template_unchanged() {
        for text in [
            r#"{"b": 1, "a": [true, false, null, 1.5, 1.0, -0.0, 1e+300, "x", {}, []]}"#,
            "123456789012345678901234567890",
            "1234567890123456789012345678901234567890123456789012345678901234567890",
            "-170141183460469231731687303715884105729",
            "[NaN, Infinity, -Infinity]",
            r#"{"z": {"y": {"x": "\u00e9\n"}}, "": 0}"#,
        ] {
            let value = json::loads_str(text).unwrap();
            assert_eq!(json::dumps(&from_template(&to_template(&value)).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn equal_is_python_s_but_for_booleans() {
        let equal = |left, right| super::equal(&json::loads_str(left).unwrap(), &json::loads_str(right).unwrap());
        assert!(equal("1", "1.0") && equal(r#"{"a": 1, "b": 2}"#, r#"{"b": 2.0, "a": 1}"#) && equal("[]", "[]"));
        assert!(!equal("1", "true") && !equal(r#""1""#, "1") && !equal("[1]", "[1, 1]") && !equal("NaN", "NaN"));
        assert!(!equal(r#"{"a": 1}"#, r#"{"b": 1}"#) && !equal(r#""\ud800""#, r#""\ud800""#));
    }
}
