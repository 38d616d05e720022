//! How a value lies in Redis (Django 5.2, `django/core/cache/backends/redis.py`; django-redis 7.0,
//! `django_redis/client/default.py`).

use super::{Compressor, Serializer, msgpack, pickle};
use crate::python::{Value, int_from_bytes, json};

/// The most that is decoded, and decompressed to: no user's id comes near.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;

/// Who else reads and writes the values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueFormat {
    /// `RedisSerializer` of Django's `RedisCache`.
    Django { pickle_protocol: u8 },
    /// `DefaultClient.encode` and `decode` of django-redis.
    DjangoRedis { serializer: Serializer, compressor: Option<Compressor> },
}

/// The serializer has no form for such a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cache's serializer cannot store a {kind}")]
pub(crate) struct Unstorable {
    /// Python's name of the type.
    pub(crate) kind: &'static str,
}

/// The bytes are no user's id. They are not shown: they are someone's cached value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cached value cannot be read as a user's id")]
pub(crate) struct Unreadable;

impl ValueFormat {
    /// The bytes to store. Integers lie there as decimal text, so that `INCR` works on them; all else is serialized,
    /// and compressed if the project does.
    ///
    /// # Errors
    ///
    /// [`Unstorable`]: Python raises there too, but for lists and dicts, which are no user's id.
    pub(crate) fn encode(self, value: &Value) -> Result<Vec<u8>, Unstorable> {
        let unstorable = Unstorable { kind: value.type_name() };
        match (self, value) {
            (_, Value::Int(number)) => Ok(number.to_string().into_bytes()),
            (_, Value::BigInt(number)) => Ok(number.to_string().into_bytes()),
            (Self::Django { pickle_protocol }, _) => {
                pickle::dumps(value, pickle_protocol).map_err(|pickle::Unpicklable { .. }| unstorable)
            }
            (Self::DjangoRedis { serializer, compressor }, _) => {
                let bytes = serialize(serializer, value).ok_or(unstorable)?;
                Ok(compressor.map_or_else(|| bytes.clone(), |compressor| compressor.compress(&bytes)))
            }
        }
    }

    /// The value that was stored: an integer if `int()` takes the bytes, else what decompressing (where that fails, the
    /// bytes as they are) and deserializing give.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] where Python raises, and for what is no plain value.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Value, Unreadable> {
        if bytes.len() > MAX_LENGTH {
            return Err(Unreadable);
        }
        if let Ok(number) = int_from_bytes(bytes) {
            return Ok(number);
        }
        match self {
            Self::Django { .. } => pickle::loads(bytes).map_err(|pickle::Refused| Unreadable),
            Self::DjangoRedis { serializer, compressor: None } => deserialize(serializer, bytes),
            Self::DjangoRedis { serializer, compressor: Some(compressor) } => {
                // Values under the compressor's minimum length are stored as they are.
                match compressor.decompress(bytes, MAX_LENGTH)? {
                    Some(decompressed) => deserialize(serializer, &decompressed),
                    None => deserialize(serializer, bytes),
                }
            }
        }
    }
}

fn serialize(serializer: Serializer, value: &Value) -> Option<Vec<u8>> {
    match serializer {
        Serializer::Pickle { protocol } => pickle::dumps(value, protocol).ok(),
        Serializer::Json => {
            let text = match value {
                // DjangoJSONEncoder.
                Value::Uuid(uuid) => json::dumps(&Value::Str(uuid.hyphenated().to_string())),
                other => json::dumps(other),
            };
            text.ok().map(String::into_bytes)
        }
        Serializer::MsgPack => msgpack::dumps(value),
    }
}

fn deserialize(serializer: Serializer, bytes: &[u8]) -> Result<Value, Unreadable> {
    match serializer {
        Serializer::Pickle { .. } => pickle::loads(bytes).map_err(|pickle::Refused| Unreadable),
        Serializer::Json => {
            let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
            json::loads_str(text).map_err(|_| Unreadable)
        }
        Serializer::MsgPack => msgpack::loads(bytes).ok_or(Unreadable),
    }
}
