//! `CHANNEL_LAYERS["default"]`.

use std::time::Duration;

use uuid::Uuid;

use super::capacity::ChannelPattern;
use crate::{
    redis::{RedisAddress, RedisOptions, RedisTopology},
    secret::Secret,
};

/// How a layer is reached and how it behaves. The defaults are those of channels_redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelLayerOptions {
    /// Which of Channels' layers. Default: Redis.
    pub backend: LayerBackend,
    /// `hosts`. Default, also where it is empty: `localhost:6379`.
    pub hosts: Vec<Host>,
    /// `prefix`. Default: `asgi`.
    pub prefix: String,
    /// `expiry`, in whole seconds: how long a message waits to be received. Default: 60 s.
    pub expiry: Duration,
    /// `group_expiry`, in whole seconds: how long somebody else's channel stays in a group. Those of this process stay
    /// until they leave. Default: 86400 s.
    pub group_expiry: Duration,
    /// `capacity`: how many messages wait in one queue. Default: 100.
    pub capacity: usize,
    /// `channel_capacity`: other capacities, of the first pattern that matches. Default: none.
    pub channel_capacity: Vec<(ChannelPattern, usize)>,
    /// `symmetric_encryption_keys`: the first encrypts, any decrypts. Default: none, messages are not encrypted.
    pub symmetric_encryption_keys: Vec<Secret>,
    /// `serializer_format`. Default: msgpack.
    pub serializer_format: SerializerFormat,
    /// `random_prefix_length`: random bytes before each message, without which equal messages are one. Not used by
    /// pub/sub. Default: 12.
    pub random_prefix_length: usize,
    /// How long a process that died stays in its groups. `None`: as long as `group_expiry`, since its joins are written
    /// as Channels writes them. Not used by pub/sub. Default: 120 s.
    pub lease: Option<Duration>,
    /// Queues of this process, each of which has `capacity`; groups and channels are spread over them. Not used by
    /// pub/sub. Default: 1.
    pub queues: usize,
    /// This process's part of its channels' names, 32 hexadecimal digits; other queues than the first have one at random.
    /// Default: at random, as `uuid.uuid4().hex`.
    pub client_prefix: Option<String>,
    /// Every channel is a member of its groups by its own name, as with Channels, and not one per group and process; in
    /// pub/sub, every channel is subscribed by its own name. Default: no.
    pub member_per_channel: bool,
    /// How long one command may take, connecting included. Default: 3 s.
    pub timeout: Duration,
    /// How often a message is sent around, to find a connection that died in silence. Default: 10 s.
    pub watch_interval: Duration,
}

impl Default for ChannelLayerOptions {
    fn default() -> Self {
        Self {
            backend: LayerBackend::Redis,
            hosts: vec![Host::new("localhost", 6379)],
            prefix: "asgi".to_owned(),
            expiry: Duration::from_mins(1),
            group_expiry: Duration::from_hours(24),
            capacity: 100,
            channel_capacity: Vec::new(),
            symmetric_encryption_keys: Vec::new(),
            serializer_format: SerializerFormat::MsgPack,
            random_prefix_length: 12,
            lease: Some(Duration::from_mins(2)),
            queues: 1,
            client_prefix: None,
            member_per_channel: false,
            timeout: Duration::from_secs(3),
            watch_interval: Duration::from_secs(10),
        }
    }
}

impl ChannelLayerOptions {
    /// The number that the client prefix is.
    ///
    /// # Errors
    ///
    /// A sentence, if it is none.
    pub(super) fn client(&self) -> Result<u128, String> {
        let Some(prefix) = &self.client_prefix else { return Ok(Uuid::new_v4().as_u128()) };
        let number = u128::from_str_radix(prefix, 16).ok().filter(|number| format!("{number:032x}") == *prefix);
        number.ok_or_else(|| "client_prefix is not of 32 hexadecimal digits in lower case".to_owned())
    }

    /// `decode_hosts`.
    pub(crate) fn hosts_or_default(&self) -> Vec<Host> {
        if self.hosts.is_empty() { Self::default().hosts } else { self.hosts.clone() }
    }
}

/// Which of Channels' layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerBackend {
    /// `channels_redis.core.RedisChannelLayer`.
    Redis,
    /// `channels_redis.pubsub.RedisPubSubChannelLayer`.
    RedisPubSub,
    /// `channels.layers.InMemoryChannelLayer`: this process alone.
    InMemory,
}

/// `serializer_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerializerFormat {
    /// `msgpack`.
    MsgPack,
    /// `json`.
    Json,
}

/// One of the Redis servers of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(RedisOptions);

impl Host {
    /// `("localhost", 6379)`: database 0, without TLS and password.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let address = RedisAddress::Tcp { host: host.into(), port, tls: None };
        Self(RedisOptions { topology: RedisTopology::Single(address), username: None, password: None, database: 0 })
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(mut self, password: Secret) -> Self {
        self.0.password = Some(password);
        self
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        &self.0
    }
}

impl From<RedisOptions> for Host {
    fn from(options: RedisOptions) -> Self {
        Self(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_prefix_is_of_32_digits() {
        let client = |prefix: &str| {
            let options =
                ChannelLayerOptions { client_prefix: Some(prefix.to_owned()), ..ChannelLayerOptions::default() };
            options.client()
        };
        assert_eq!(client("0000000000000000000000000000000f"), Ok(15));
        for prefix in ["", "f", "0000000000000000000000000000000F", "+000000000000000000000000000000f", "a!b"] {
            assert!(client(prefix).is_err(), "{prefix}");
        }
        assert_ne!(ChannelLayerOptions::default().client(), ChannelLayerOptions::default().client());
    }
}
