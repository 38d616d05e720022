//! Values of frames and of events in templates, and back: what a template passes on keeps its type, its digits and its
//! order.

use std::{borrow::Cow, fmt, sync::Arc};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};
use num_bigint::BigInt;

use crate::{
    channel_layer,
    python::{self, Value},
};

/// A `dict`, with its keys in their order: text, or bytes where msgpack carried them.
#[derive(Debug)]
struct Dict(Vec<(Jinja, Jinja)>);

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(as_text(key)?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.0.iter().find(|(name, _)| as_text(name) == Some(key)).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| name.clone()).collect())
    }
}

/// A value that templates can pass on but not look into.
#[derive(Debug)]
enum Opaque {
    /// An integer of more than 128 bits.
    BigInt(BigInt),
    /// A text with lone surrogates, which is not kept.
    LoneSurrogates,
    /// msgpack's `ExtType` or `Timestamp`.
    Ext(i8, Vec<u8>),
}

impl Object for Opaque {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &**self {
            Self::BigInt(number) => write!(f, "{number}"),
            Self::LoneSurrogates | Self::Ext(..) => f.write_str("\u{fffd}"),
        }
    }
}

/// What a template computed cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAValue {
    #[error("undefined value")]
    Undefined,
    /// By what Python would call it.
    #[error("cannot write {0}")]
    Unwritable(&'static str),
}

/// The text of a `str`. minijinja takes bytes that are UTF-8 for text, too.
pub(super) fn as_text(value: &Jinja) -> Option<&str> {
    if value.kind() == ValueKind::String { value.as_str() } else { None }
}

/// A value of a frame, of a path or of a query for templates.
pub(super) fn from_python(value: &Value) -> Jinja {
    match value {
        Value::None => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Int(number) => Jinja::from(*number),
        Value::BigInt(number) => {
            i128::try_from(number).map_or_else(|_| Jinja::from_object(Opaque::BigInt(number.clone())), Jinja::from)
        }
        Value::Float(number) => Jinja::from(*number),
        Value::Str(text) => Jinja::from(text.as_str()),
        Value::LoneSurrogates => Jinja::from_object(Opaque::LoneSurrogates),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.clone()),
        Value::Uuid(uuid) => Jinja::from(uuid.hyphenated().to_string()),
        Value::List(items) => Jinja::from(items.iter().map(from_python).collect::<Vec<_>>()),
        Value::Dict(entries) => dict(entries.iter().map(|(name, value)| (name.as_str(), from_python(value)))),
    }
}

/// An event for templates.
pub(super) fn from_event(value: &channel_layer::Value) -> Jinja {
    use channel_layer::Value;

    match value {
        Value::Nil => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Int(number) => i64::try_from(*number).map_or_else(|_| Jinja::from(*number), Jinja::from),
        Value::Float(number) => Jinja::from(*number),
        Value::Str(text) => Jinja::from(text.as_str()),
        Value::LoneSurrogates => Jinja::from_object(Opaque::LoneSurrogates),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.clone()),
        Value::Ext(code, data) => Jinja::from_object(Opaque::Ext(*code, data.clone())),
        Value::Array(items) => Jinja::from(items.iter().map(from_event).collect::<Vec<_>>()),
        Value::Map(entries) => {
            Jinja::from_object(Dict(entries.iter().map(|(key, value)| (from_event(key), from_event(value))).collect()))
        }
    }
}

/// A `dict` for templates.
pub(super) fn dict<'a>(entries: impl IntoIterator<Item = (&'a str, Jinja)>) -> Jinja {
    Jinja::from_object(Dict(entries.into_iter().map(|(name, value)| (Jinja::from(name), value)).collect()))
}

/// What a template computed, as JSON to a client can have it.
///
/// # Errors
///
/// It is undefined, or nothing that Python's `json` knows.
pub(super) fn to_python(value: &Jinja) -> Result<Value, NotAValue> {
    if let Some(opaque) = value.downcast_object_ref() {
        return match opaque {
            Opaque::BigInt(number) => Ok(Value::BigInt(number.clone())),
            Opaque::LoneSurrogates => Ok(Value::LoneSurrogates),
            Opaque::Ext(..) => Err(NotAValue::Unwritable("an ExtType as JSON")),
        };
    }
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(NotAValue::Undefined),
        ValueKind::None => Value::None,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => match value.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::from(BigInt::from(integer(value)?)),
        },
        ValueKind::Number => Value::Float(float(value)?),
        ValueKind::String => Value::Str(text(value)?.to_owned()),
        ValueKind::Bytes => Value::Bytes(bytes(value)?.to_vec()),
        ValueKind::Seq | ValueKind::Iterable => Value::List(items(value, to_python)?),
        ValueKind::Map => Value::Dict(entries(value, |key| as_text(key).map(str::to_owned), to_python)?),
        _ => return Err(NotAValue::Unwritable("what is no value")),
    })
}

/// What a template computed, as an event can have it.
///
/// # Errors
///
/// It is undefined, or nothing that a channel layer carries.
pub(super) fn to_event(value: &Jinja) -> Result<channel_layer::Value, NotAValue> {
    use channel_layer::Value;

    if let Some(opaque) = value.downcast_object_ref() {
        return match opaque {
            Opaque::BigInt(_) => Err(NotAValue::Unwritable("an integer of more than 128 bits")),
            Opaque::LoneSurrogates => Ok(Value::LoneSurrogates),
            Opaque::Ext(code, data) => Ok(Value::Ext(*code, data.clone())),
        };
    }
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(NotAValue::Undefined),
        ValueKind::None => Value::Nil,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => Value::Int(integer(value)?),
        ValueKind::Number => Value::Float(float(value)?),
        ValueKind::String => Value::Str(text(value)?.to_owned()),
        ValueKind::Bytes => Value::Bytes(bytes(value)?.to_vec()),
        ValueKind::Seq | ValueKind::Iterable => Value::Array(items(value, to_event)?),
        ValueKind::Map => {
            let key =
                |key: &Jinja| matches!(key.kind(), ValueKind::String | ValueKind::Bytes).then(|| to_event(key).ok());
            Value::Map(entries(value, |name| key(name).flatten(), to_event)?)
        }
        _ => return Err(NotAValue::Unwritable("what is no value")),
    })
}

/// `str(value)`: what a text has in the place of an expression.
///
/// # Errors
///
/// It is undefined, or has no text: bytes, and texts with lone surrogates.
pub(super) fn to_text(value: &Jinja) -> Result<Cow<'_, str>, NotAValue> {
    if let Some(text) = as_text(value) {
        return Ok(Cow::Borrowed(text));
    }
    if value.kind() == ValueKind::Bytes {
        return Err(NotAValue::Unwritable("bytes as text"));
    }
    python::str(&to_python(value)?).map(Cow::Owned).ok_or(NotAValue::Unwritable("text with lone surrogates"))
}

fn integer(value: &Jinja) -> Result<i128, NotAValue> {
    i128::try_from(value.clone()).map_err(|_| NotAValue::Unwritable("an integer of more than 128 bits"))
}

fn float(value: &Jinja) -> Result<f64, NotAValue> {
    f64::try_from(value.clone()).map_err(|_| NotAValue::Unwritable("a number that is no float"))
}

fn text(value: &Jinja) -> Result<&str, NotAValue> {
    as_text(value).ok_or(NotAValue::Unwritable("a text that is none"))
}

fn bytes(value: &Jinja) -> Result<&[u8], NotAValue> {
    value.as_bytes().ok_or(NotAValue::Unwritable("bytes that are none"))
}

fn items<T>(value: &Jinja, item: impl Fn(&Jinja) -> Result<T, NotAValue>) -> Result<Vec<T>, NotAValue> {
    let items = value.try_iter().map_err(|_| NotAValue::Unwritable("a list that cannot be walked"))?;
    items.map(|value| item(&value)).collect()
}

fn entries<K, T>(
    value: &Jinja,
    key: impl Fn(&Jinja) -> Option<K>,
    item: impl Fn(&Jinja) -> Result<T, NotAValue>,
) -> Result<Vec<(K, T)>, NotAValue> {
    let entry = |name: &Jinja, value: &Jinja| {
        Ok((key(name).ok_or(NotAValue::Unwritable("a dict with keys other than text"))?, item(value)?))
    };
    if let Some(Dict(entries)) = value.downcast_object_ref() {
        return entries.iter().map(|(name, value)| entry(name, value)).collect();
    }
    let names = value.try_iter().map_err(|_| NotAValue::Unwritable("a dict that cannot be walked"))?;
    let found = |name: &Jinja| value.get_item(name).map_err(|_| NotAValue::Undefined);
    names.map(|name| entry(&name, &found(&name)?)).collect()
}

/// Containers of values, to be counted.
pub(super) trait Nested: Sized {
    fn inside(&self) -> Option<impl Iterator<Item = &Self>>;
}

impl Nested for Value {
    fn inside(&self) -> Option<impl Iterator<Item = &Self>> {
        let (items, entries): (&[_], &[_]) = match self {
            Self::List(items) => (items, &[]),
            Self::Dict(entries) => (&[], entries),
            _ => return None,
        };
        Some(items.iter().chain(entries.iter().map(|(_, value)| value)))
    }
}

impl Nested for channel_layer::Value {
    fn inside(&self) -> Option<impl Iterator<Item = &Self>> {
        let (items, entries): (&[_], &[_]) = match self {
            Self::Array(items) => (items, &[]),
            Self::Map(entries) => (&[], entries),
            _ => return None,
        };
        Some(items.iter().chain(entries.iter().map(|(_, value)| value)))
    }
}

/// Whether `value` has more than `depth` containers within one another.
pub(super) fn is_deeper<V: Nested>(value: &V, depth: usize) -> bool {
    value.inside().is_some_and(|mut inside| depth == 0 || inside.any(|value| is_deeper(value, depth - 1)))
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
    use crate::{channel_layer::Value as Event, python::json};

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
            assert_eq!(json::dumps(&to_python(&from_python(&value)).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn an_event_goes_through_a_template_unchanged() {
        let event = Event::Map(vec![
            ("z".into(), Event::Array(vec![Event::Nil, true.into(), Event::Int(-5), Event::Float(-0.0)])),
            (
                "int".into(),
                Event::Array([i128::MIN, i64::MIN.into(), u64::MAX.into(), i128::MAX].map(Event::Int).into()),
            ),
            (Event::Bytes(b"\xff".to_vec()), Event::Bytes(b"\0\xff".to_vec())),
            ("a".into(), Event::map([("é", Event::Ext(-1, vec![1])), ("", Event::LoneSurrogates)])),
        ]);
        assert_eq!(to_event(&from_event(&event)).unwrap(), event);
        assert!(matches!(to_event(&from_event(&Event::Float(f64::NAN))), Ok(Event::Float(nan)) if nan.is_nan()));
    }

    #[test]
    fn what_a_target_cannot_hold_is_an_error() {
        let error = |value: &Event| to_python(&from_event(value)).unwrap_err().to_string();
        assert_eq!(error(&Event::Ext(5, vec![])), "cannot write an ExtType as JSON");
        let keys = Event::Map(vec![(Event::Bytes(vec![]), Event::Nil)]);
        assert_eq!(error(&keys), "cannot write a dict with keys other than text");
        let number = json::loads_str(&"9".repeat(60)).unwrap();
        assert_eq!(to_event(&from_python(&number)), Err(NotAValue::Unwritable("an integer of more than 128 bits")));
        assert_eq!(to_event(&Jinja::UNDEFINED), Err(NotAValue::Undefined));
        assert_eq!(to_event(&Jinja::from(vec![Jinja::UNDEFINED])), Err(NotAValue::Undefined));
    }

    #[test]
    fn text_is_what_str_gives() {
        let text = |json| to_text(&from_python(&json::loads_str(json).unwrap())).map(Cow::into_owned);
        for (json, expected) in
            [("null", "None"), ("true", "True"), ("1", "1"), ("1e16", "1e+16"), ("[\"a\", 1.0]", "['a', 1.0]")]
        {
            assert_eq!(text(json).unwrap(), expected);
        }
        assert!(text(r#""\ud800""#).is_err() && to_text(&Jinja::from_bytes(vec![1])).is_err());
    }

    #[test]
    fn depth_counts_containers_within_one_another() {
        let nested = |depth| (0..depth).fold(Event::Nil, |value, _| Event::Array(vec![value]));
        assert!(!is_deeper(&nested(3), 3) && is_deeper(&nested(4), 3) && !is_deeper(&Event::Nil, 0));
        assert!(is_deeper(&json::loads_str(r#"{"a": [1, {"b": 2}]}"#).unwrap(), 2));
    }

    #[test]
    fn equal_is_python_s_but_for_booleans() {
        let equal = |left, right| super::equal(&json::loads_str(left).unwrap(), &json::loads_str(right).unwrap());
        assert!(equal("1", "1.0") && equal(r#"{"a": 1, "b": 2}"#, r#"{"b": 2.0, "a": 1}"#) && equal("[]", "[]"));
        assert!(!equal("1", "true") && !equal(r#""1""#, "1") && !equal("[1]", "[1, 1]") && !equal("NaN", "NaN"));
        assert!(!equal(r#"{"a": 1}"#, r#"{"b": 1}"#) && !equal(r#""\ud800""#, r#""\ud800""#));
    }
}
