//! What Python does with plain values, where Django relies on it: `json.loads` and `json.dumps`, `int()`, `UUID()`,
//! `parse_qsl`. Plain functions of their input (CPython 3.11).

use num_bigint::BigInt;
use uuid::Uuid;

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
