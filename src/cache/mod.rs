//! Django's cache, byte for byte: keys, values, and each backend.

mod compressor;
mod key;
mod msgpack;
mod options;
pub(crate) mod pickle;
pub(crate) mod throttle;
mod value;
#[cfg(test)]
mod vectors;

pub(crate) use options::{CacheBackend, CacheOptions, Compressor, KeyPattern, Serializer};
pub(crate) use value::{Unstorable, ValueFormat};
