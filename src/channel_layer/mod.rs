//! A member of Django's channel layer: what channels_redis does, on the wire.

mod capacity;
mod error;
mod fernet;
mod json;
mod msgpack;
mod names;
mod options;
mod serializer;
mod shard;
#[cfg(test)]
mod tests;
mod value;

pub use capacity::ChannelPattern;
pub use error::{ChannelLayerError, Unavailable};
pub use options::{ChannelLayerOptions, Host, LayerBackend, SerializerFormat};
pub use value::Value;
