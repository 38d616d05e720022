//! Django's cache, byte for byte: keys, values, and each backend.

mod key;
mod options;

pub(crate) use options::{CacheBackend, CacheOptions, Compressor, KeyPattern, Serializer};
