//! What a layer cannot do.

use crate::redis::RedisError;

/// Why a message was not sent, or a channel did not join or leave a group.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelLayerError {
    /// The name is none that Channels takes (`TypeError` there).
    #[error(
        "{kind} name must be a valid unicode string with length < 100 containing only ASCII alphanumerics, hyphens, \
         underscores, or periods."
    )]
    InvalidName {
        /// `Channel` or `Group`.
        kind: &'static str,
    },
    /// A message is a `dict`.
    #[error("message is not a dict")]
    NotADict,
    /// The message has the key `__asgi_channel__`, which is the layer's own.
    #[error("the key __asgi_channel__ of a message is reserved")]
    ReservedKey,
    /// The serializer has no form for a value of the message.
    #[error("the channel layer's serializer cannot write {0}")]
    Unserializable(&'static str),
    /// The channel is at its capacity (`ChannelFull`): its receiver is too slow, or gone.
    #[error("the channel is full")]
    ChannelFull,
    /// In the pub/sub layer, only channels of this process can join a group.
    #[error("You can only call group_add() on channels that exist in-process.")]
    NotInProcess,
    /// The project has no channel layer.
    #[error("there is no channel layer: see CHANNEL_LAYERS, or [channel_layer]")]
    NotConfigured,
    /// What carries the layer did not answer. The operation may have been carried out, or not.
    #[error("the channel layer did not answer")]
    Unavailable(#[source] Unavailable),
}

/// What did not answer, and how.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unavailable(#[from] Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Sentence(&'static str),
}

impl ChannelLayerError {
    /// Something other than a command of Redis did not work.
    pub(super) fn unavailable(sentence: &'static str) -> Self {
        Self::Unavailable(Unavailable(Cause::Sentence(sentence)))
    }
}

impl From<RedisError> for ChannelLayerError {
    fn from(error: RedisError) -> Self {
        Self::Unavailable(Unavailable(Cause::Redis(error)))
    }
}
