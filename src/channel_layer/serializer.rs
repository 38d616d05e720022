//! Messages as bytes. Matches channels_redis 4.3, serializers.py.

use super::{
    ChannelLayerError, SerializerFormat,
    fernet::{Fernets, NotDecrypted},
    json, msgpack,
    value::Value,
};
use crate::{
    python::{self, json::dumps},
    secret::Secret,
};

/// The key under which a message names its receivers.
const ASGI_CHANNEL: &str = "__asgi_channel__";
/// What is added to `expiry` for the age that an encrypted message may have, in seconds.
const EXPIRY_SLACK: u64 = 10;

/// Makes messages from bytes and bytes from messages.
pub(super) struct Serializer {
    format: SerializerFormat,
    random_prefix_length: usize,
    fernets: Option<Fernets>,
    /// In seconds; `None`: encrypted messages have no age limit.
    expiry: Option<u64>,
}

/// A message that is encoded but for its receivers, so that many of them cost one encoding.
pub(super) struct Body {
    /// The entries of the map, one after the other, without what surrounds them.
    entries: Vec<u8>,
    length: usize,
}

impl Body {
    /// What tells it from others.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.entries
    }
}

/// The receivers that a message names.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'a> {
    /// None: a plain channel's name is in its key.
    Nobody,
    /// A text: one channel with a `!`.
    Channel(&'a str),
    /// A list: the channels of a group that share a queue.
    Channels(&'a [String]),
}

/// A message, and the receivers that it named.
#[derive(Debug, PartialEq)]
pub(super) struct Received {
    pub(super) message: Value,
    pub(super) channels: Vec<String>,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// Encrypted too long ago.
    Expired,
    /// Another serializer's or another key's, or nobody's.
    Unreadable,
}

impl Serializer {
    /// # Errors
    ///
    /// A sentence, where the keys cannot be used.
    pub(super) fn new(
        format: SerializerFormat,
        keys: &[Secret],
        random_prefix_length: usize,
        expiry: Option<u64>,
    ) -> Result<Self, String> {
        let fernets = Fernets::new(keys).map_err(|_| "symmetric_encryption_keys cannot be used".to_owned())?;
        Ok(Self { format, random_prefix_length, fernets, expiry })
    }

    /// Encodes `message`, without `__asgi_channel__` if it has that key.
    ///
    /// # Errors
    ///
    /// [`ChannelLayerError::NotADict`] and [`ChannelLayerError::Unserializable`].
    pub(super) fn body(&self, message: &Value) -> Result<Body, ChannelLayerError> {
        let Value::Map(entries) = message else { return Err(ChannelLayerError::NotADict) };
        if is_reserved(message) {
            let others = entries.iter().filter(|(key, _)| key.as_str() != Some(ASGI_CHANNEL)).cloned();
            return self.body(&Value::Map(others.collect()));
        }
        let encoded = match self.format {
            SerializerFormat::MsgPack => {
                let mut encoded = Vec::with_capacity(256);
                msgpack::write_entries(&mut encoded, entries, 0).map_err(ChannelLayerError::Unserializable)?;
                encoded
            }
            SerializerFormat::Json => {
                let text = json::dumps(message).map_err(ChannelLayerError::Unserializable)?;
                text.as_bytes()[1..text.len() - 1].to_vec()
            }
        };
        Ok(Body { entries: encoded, length: entries.len() })
    }

    /// The bytes of `body` for `to`; `now` in seconds.
    ///
    /// # Errors
    ///
    /// [`ChannelLayerError::Unserializable`] beyond the bounds of the format.
    pub(super) fn serialize(&self, body: &Body, to: To<'_>, now: u64) -> Result<Vec<u8>, ChannelLayerError> {
        let plain = match self.format {
            SerializerFormat::MsgPack => with_receivers_msgpack(body, to),
            SerializerFormat::Json => with_receivers_json(body, to),
        };
        let plain = plain.map_err(ChannelLayerError::Unserializable)?;
        let unusable = |_| ChannelLayerError::unavailable("the operating system gives no random bytes");
        let message = match &self.fernets {
            Some(fernets) => fernets.encrypt(&plain, now).map_err(unusable)?,
            None => plain,
        };
        let mut bytes = vec![0; self.random_prefix_length];
        aws_lc_rs::rand::fill(&mut bytes).map_err(unusable)?;
        bytes.extend(message);
        Ok(bytes)
    }

    /// The message that `bytes` are; `now` in seconds.
    pub(super) fn deserialize(&self, bytes: &[u8], now: u64) -> Result<Received, Undecodable> {
        let bytes = bytes.get(self.random_prefix_length..).unwrap_or_default();
        let decrypted = match &self.fernets {
            Some(fernets) => {
                let limit = self.expiry.map(|expiry| (expiry.saturating_add(EXPIRY_SLACK), now));
                Some(fernets.decrypt(bytes, limit).map_err(|why| match why {
                    NotDecrypted::OutOfTime => Undecodable::Expired,
                    NotDecrypted::Invalid => Undecodable::Unreadable,
                })?)
            }
            None => None,
        };
        let plain = decrypted.as_deref().unwrap_or(bytes);
        let mut message = match self.format {
            SerializerFormat::MsgPack => msgpack::read(plain).map_err(|_| Undecodable::Unreadable)?,
            SerializerFormat::Json => json::loads(plain).map_err(|_| Undecodable::Unreadable)?,
        };
        let Value::Map(entries) = &mut message else { return Err(Undecodable::Unreadable) };
        let place = entries.iter().position(|(key, _)| key.as_str() == Some(ASGI_CHANNEL));
        let channels = match place.map(|place| entries.remove(place).1) {
            Some(Value::Str(channel)) => vec![channel],
            Some(Value::Array(channels)) => {
                let names = channels.into_iter().filter_map(|channel| match channel {
                    Value::Str(name) => Some(name),
                    _ => None,
                });
                names.collect()
            }
            _ => Vec::new(),
        };
        Ok(Received { message, channels })
    }
}

/// Whether `message` has the key that is the layer's own.
pub(super) fn is_reserved(message: &Value) -> bool {
    message.get(ASGI_CHANNEL).is_some()
}

fn with_receivers_msgpack(body: &Body, to: To<'_>) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(body.entries.len() + 128);
    msgpack::write_map_head(&mut out, body.length + usize::from(!matches!(to, To::Nobody)))?;
    out.extend(&body.entries);
    match to {
        To::Nobody => {}
        To::Channel(channel) => {
            msgpack::write_str(&mut out, ASGI_CHANNEL)?;
            msgpack::write_str(&mut out, channel)?;
        }
        To::Channels(channels) => {
            msgpack::write_str(&mut out, ASGI_CHANNEL)?;
            msgpack::write_array_head(&mut out, channels.len())?;
            for channel in channels {
                msgpack::write_str(&mut out, channel)?;
            }
        }
    }
    Ok(out)
}

fn with_receivers_json(body: &Body, to: To<'_>) -> Result<Vec<u8>, &'static str> {
    let text = |name: &str| python::Value::Str(name.to_owned());
    let receivers = match to {
        To::Nobody => None,
        To::Channel(channel) => Some(text(channel)),
        To::Channels(channels) => Some(python::Value::List(channels.iter().map(|name| text(name)).collect())),
    };
    let mut out = vec![b'{'];
    out.extend(&body.entries);
    if let Some(receivers) = receivers {
        if body.length > 0 {
            out.extend(b", ");
        }
        out.extend(format!("\"{ASGI_CHANNEL}\": ").into_bytes());
        out.extend(dumps(&receivers).map_err(|_| "the channels' names")?.into_bytes());
    }
    out.push(b'}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::tests::{unhex, value_from_repr, vectors};

    fn serializer(format: SerializerFormat) -> Serializer {
        Serializer::new(format, &[], 0, Some(60)).unwrap()
    }

    fn serialize(serializer: &Serializer, message: &Value, to: To<'_>) -> Vec<u8> {
        serializer.serialize(&serializer.body(message).unwrap(), to, 1000).unwrap()
    }

    /// Python's objects that no [`Value`] can be.
    const NO_VALUE: [&str; 4] = ["datetime", "uuid", "set", "lone surrogate"];
    /// Python writes such a map and then cannot read it; it is not written here.
    const REFUSED: [&str; 1] = ["msgpack: int keys"];

    #[test]
    fn messages_are_python_s_to_the_byte() {
        let vectors = vectors("serializer");
        for case in vectors["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let format = if case["format"] == "json" { SerializerFormat::Json } else { SerializerFormat::MsgPack };
            let serializer = serializer(format);
            if NO_VALUE.iter().any(|kind| name.contains(kind)) {
                assert!(case.get("error").is_some() || name == "json: lone surrogate", "{name}");
                continue;
            }
            let message = value_from_repr(case["python"].as_str().unwrap());
            let (message, channels) = match message.get(ASGI_CHANNEL).cloned() {
                Some(channels) => (Value::map(message.get("type").cloned().map(|kind| ("type", kind))), Some(channels)),
                None => (message, None),
            };
            let names: Vec<String>;
            let to = match &channels {
                None => To::Nobody,
                Some(Value::Str(name)) => To::Channel(name),
                Some(Value::Array(items)) => {
                    names = items.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
                    To::Channels(&names)
                }
                Some(other) => panic!("{other:?}"),
            };
            let Some(hex) = case.get("hex") else {
                assert!(serializer.body(&message).is_err(), "{name}");
                assert!(case.get("error").is_some() || REFUSED.contains(&name), "{name}");
                continue;
            };
            assert_eq!(serialize(&serializer, &message, to), unhex(hex), "{name}");
            let received = serializer.deserialize(&unhex(hex), 1000).unwrap();
            let round_trip = value_from_repr(case["roundtrip"].as_str().unwrap());
            let expected = if channels.is_some() { message } else { round_trip };
            assert_eq!(received.message, expected, "{name}");
        }
    }

    #[test]
    fn bodies_are_read_as_python_reads_them() {
        for case in vectors("decode")["cases"].as_array().unwrap() {
            let answer = serializer(SerializerFormat::MsgPack).deserialize(&unhex(&case["hex"]), 1000);
            let name = case["name"].as_str().unwrap();
            let expected = match case["value"].as_str() {
                Some("{'a': ExtType(code=5, data=b'\\x01')}") => Ok(Value::map([("a", Value::Ext(5, vec![1]))])),
                // The layer of Python raises a TypeError for what is no dict.
                Some("None") | None => Err(Undecodable::Unreadable),
                Some(repr) => Ok(value_from_repr(repr)),
            };
            assert_eq!(answer.map(|received| received.message), expected, "{name}");
        }
    }

    #[test]
    fn receivers_come_last_and_are_taken_out_by_the_reader() {
        for format in [SerializerFormat::MsgPack, SerializerFormat::Json] {
            let serializer = Serializer::new(format, &[Secret::new("k")], 12, Some(60)).unwrap();
            for message in [Value::map([("type", "x".into())]), Value::map::<String>([])] {
                let names = ["a!b".to_owned(), "a!é".to_owned()];
                let one = serialize(&serializer, &message, To::Channel("a!é"));
                let many = serialize(&serializer, &message, To::Channels(&names));
                let plain = serialize(&serializer, &message, To::Nobody);
                for (bytes, channels) in [(one, vec!["a!é".to_owned()]), (many, names.to_vec()), (plain, vec![])] {
                    let received = serializer.deserialize(&bytes, 1000);
                    assert_eq!(received, Ok(Received { message: message.clone(), channels }));
                    assert_eq!(serializer.deserialize(&bytes, 1071), Err(Undecodable::Expired));
                }
            }
        }
    }

    #[test]
    fn a_reserved_key_gives_way_to_the_receivers() {
        let serializer = serializer(SerializerFormat::MsgPack);
        let message = Value::map([("type", "x".into()), (ASGI_CHANNEL, "mine".into())]);
        let received = serializer.deserialize(&serialize(&serializer, &message, To::Nobody), 1000).unwrap();
        assert_eq!(received, Received { message: Value::map([("type", "x".into())]), channels: vec![] });
    }

    #[test]
    fn equal_messages_differ_by_their_random_prefix() {
        let serializer = Serializer::new(SerializerFormat::MsgPack, &[], 12, None).unwrap();
        let message = Value::map([("type", "x".into())]);
        let (one, other) = (serialize(&serializer, &message, To::Nobody), serialize(&serializer, &message, To::Nobody));
        assert_eq!((one.len(), &one[12..]), (12 + 8, &other[12..]));
        assert_ne!(one, other);
        assert_eq!(serializer.deserialize(b"short", 0), Err(Undecodable::Unreadable));
    }
}
