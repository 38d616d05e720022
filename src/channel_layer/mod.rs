//! A member of Django's channel layer: what channels_redis does, on the wire.
//!
//! Django's code sends with `channel_layer.group_send(...)` and reaches the channels of this process, and what this
//! process sends reaches Django's consumers and workers. Matches channels 4.3 and channels_redis 4.3, but for what they
//! lose:
//!
//! - A process is a member of a group once, however many of its channels are in it. In the Redis layer that member is
//!   `specific.<client>!<32 hex>`, where the digits name the group in a table of this process.
//! - Channels of this process stay in their groups until they leave or their process ends, and not for `group_expiry`.
//!   A process that died is removed by anybody's next `group_send`, since the scores of its memberships are such that
//!   they expire when [`lease`](ChannelLayerOptions::lease) has passed. They are renewed each third of it.
//! - With several hosts, channels_redis sends to a channel by another host than its receiver listens on, for about half
//!   of all channels. This process listens on every host.
//!
//! What remains: a queue holds [`capacity`](ChannelLayerOptions::capacity) messages, over all groups of a process, and
//! what others send beyond that is gone without a trace ([`queues`](ChannelLayerOptions::queues) gives a process several
//! of them); a message that Redis has popped for a connection that breaks just then is lost; pub/sub keeps nothing for a process whose connection is lost. [`Counters`] tells what is known of it.

mod capacity;
mod clock;
mod counters;
mod error;
mod fernet;
mod group_sizes;
mod in_memory;
mod inbox;
mod json;
mod message;
mod msgpack;
mod names;
mod naming;
mod options;
mod pubsub;
mod redis;
mod seal;
mod serializer;
mod shard;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use async_trait::async_trait;

pub use capacity::ChannelPattern;
pub use counters::Counters;
pub use error::{ChannelLayerError, Unavailable};
pub use group_sizes::GroupSizes;
pub use inbox::Channel;
pub use message::Message;
pub(crate) use names::is_valid_event_type;
pub use options::{ChannelLayerOptions, Host, LayerBackend, SerializerFormat};
pub(crate) use seal::Keep;
pub use value::Value;

/// The group that every sluicegate hears commands on. What a client says never makes a socket its member, nor sends to
/// it.
pub(crate) const COMMAND_GROUP: &str = "sluicegate";

/// Whether a group can have that name. Matches channels 4.3, layers.py, `BaseChannelLayer.require_valid_group_name`.
pub(crate) fn is_valid_group_name(name: &str) -> bool {
    names::require_valid_group_name(name).is_ok()
}

/// Whether a channel can have that name. Matches channels 4.3, layers.py, `BaseChannelLayer.require_valid_channel_name`.
pub(crate) fn is_valid_channel_name(name: &str) -> bool {
    names::require_valid_channel_name(name).is_ok()
}

/// Where the messages of a channel go.
pub trait Sink: Send + Sync {
    /// A message for the channel, which its other receivers share. To be taken at once: everybody else's messages wait
    /// meanwhile.
    fn deliver(&self, message: &Arc<Message>);
}

/// A member of a channel layer, with the methods of Channels' `BaseChannelLayer`. In place of `receive`, each channel
/// has a [`Sink`].
///
/// Errors are [`ChannelLayerError`]: what Channels raises, or that the layer did not answer.
#[async_trait]
pub trait ChannelLayer: Send + Sync {
    /// Sends `message` to one channel of any process, or to a plain channel, as Channels' workers have them.
    ///
    /// # Errors
    ///
    /// A name or message that Channels refuses; [`ChannelLayerError::ChannelFull`]; no answer.
    async fn send(&self, channel: &str, message: &Value) -> Result<(), ChannelLayerError>;

    /// Sends `message` to every channel of a group. Channels at their capacity are left out, as with Channels.
    ///
    /// # Errors
    ///
    /// A name or message that Channels refuses; no answer, and then it may have been sent to some.
    async fn group_send(&self, group: &str, message: &Value) -> Result<(), ChannelLayerError>;

    /// A channel of this process, whose messages go to `sink` until the answer is dropped.
    ///
    /// # Errors
    ///
    /// No answer, where others have to be told.
    async fn new_channel(&self, sink: Arc<dyn Sink>) -> Result<Channel, ChannelLayerError>;

    /// Puts a channel into a group, which others see when this is done. Any channel, but in pub/sub, where it must be of
    /// this process.
    ///
    /// # Errors
    ///
    /// A name that Channels refuses; no answer, and then the channel is not in the group.
    async fn group_add(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError>;

    /// Takes a channel out of a group, if it is in it.
    ///
    /// # Errors
    ///
    /// A name that Channels refuses; no answer, and then others may still send to it here.
    async fn group_discard(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError>;

    /// Sends a message to this process over each host, and waits until it is here: the layer works, and others know of
    /// all memberships.
    ///
    /// # Errors
    ///
    /// What did not answer.
    async fn round_trip(&self) -> Result<(), ChannelLayerError>;

    /// The groups that channels of this process are in, of which the `most` largest are named.
    fn groups(&self, most: usize) -> GroupSizes {
        let _ = most;
        GroupSizes::default()
    }

    /// What was received and lost so far.
    fn counters(&self) -> Counters;

    /// Leaves all groups and stops receiving.
    async fn close(&self);
}

/// The value that `msgpack.unpackb` reads, for fuzzing.
#[cfg(any(test, feature = "internals"))]
pub(crate) fn event_from_msgpack(bytes: &[u8]) -> Option<Value> {
    msgpack::read(bytes).ok()
}

/// Settings of a layer that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOptions(String);

/// Whether [`open`] takes `options`, as far as can be told without a connection.
///
/// # Errors
///
/// [`InvalidOptions`] names the setting that cannot be used.
pub(crate) fn check(options: &ChannelLayerOptions) -> Result<(), InvalidOptions> {
    capacity::Capacities::new(options.capacity, &options.channel_capacity).map_err(InvalidOptions)?;
    options.client().map(|_| ()).map_err(InvalidOptions)
}

/// A member of the layer that `options` describe. To be called on a Tokio runtime; nothing is waited for.
///
/// # Errors
///
/// [`InvalidOptions`] names the setting that cannot be used.
pub fn open(options: &ChannelLayerOptions) -> Result<Arc<dyn ChannelLayer>, InvalidOptions> {
    match options.backend {
        LayerBackend::InMemory => Ok(Arc::new(in_memory::InMemoryChannelLayer::new(options).map_err(InvalidOptions)?)),
        LayerBackend::Redis => Ok(Arc::new(redis::RedisChannelLayer::new(options).map_err(InvalidOptions)?)),
        LayerBackend::RedisPubSub => Ok(Arc::new(pubsub::PubSubChannelLayer::new(options).map_err(InvalidOptions)?)),
    }
}
