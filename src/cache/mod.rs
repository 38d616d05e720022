//! Django's cache, byte for byte: keys, values, and each backend.

mod compressor;
mod key;
mod msgpack;
mod options;
mod pickle;
mod value;
#[cfg(test)]
mod vectors;

pub(crate) use options::{CacheBackend, CacheOptions, Compressor, KeyPattern, Serializer};
