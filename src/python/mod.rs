//! What Python does with plain values, where Django relies on it: `json.loads` and `json.dumps`, `int()`, `UUID()`,
//! `parse_qsl`, `re`. Plain functions of their input (CPython 3.11).

mod digits;
mod float;
mod int;
pub(crate) mod json;
mod query;
mod regex;
mod text;
mod uuid;

use ::uuid::Uuid;
use num_bigint::BigInt;

pub(crate) use float::repr_float;
pub(crate) use int::{int, int_from_bytes, int_from_str};
pub(crate) use query::{parse_qsl, parse_qsl_text, unquote};
pub(crate) use regex::translate as translate_regex;
#[cfg(test)]
pub(crate) use text::repr;
pub(crate) use text::str;
pub(crate) use uuid::uuid;

/// A Python value, as a token's claim, a cached value or a frame holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    /// An `int` within 64 bits.
    Int(i64),
    /// An `int` beyond 64 bits; never one that fits [`Value::Int`].
    BigInt(BigInt),
    Float(f64),
    Str(String),
    /// A `str` that holds lone surrogates: of type `str`, equal to no other, and refused by every database.
    LoneSurrogates,
    Bytes(Vec<u8>),
    Uuid(Uuid),
    List(Vec<Value>),
    /// A `dict` with text keys, in order of insertion.
    Dict(Vec<(String, Value)>),
}

impl Value {
    /// `type(value).__name__`.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) | Self::LoneSurrogates => "str",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "UUID",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
        }
    }

    /// `isinstance(value, str)`.
    pub(crate) const fn is_str(&self) -> bool {
        matches!(self, Self::Str(_) | Self::LoneSurrogates)
    }

    /// The text, if it is one that UTF-8 can hold.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// `value[key]` of a `dict`; `None` where it is no `dict` or has no such key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Dict(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// `bool(value)`.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Dict(entries) => !entries.is_empty(),
            Self::BigInt(_) | Self::LoneSurrogates | Self::Uuid(_) => true,
        }
    }
}

impl From<BigInt> for Value {
    /// [`Value::Int`] if it fits, else [`Value::BigInt`].
    fn from(number: BigInt) -> Self {
        i64::try_from(&number).map_or_else(|_| Self::BigInt(number), Self::Int)
    }
}
