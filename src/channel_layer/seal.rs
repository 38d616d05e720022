//! What this process keeps in the layer's Redis besides messages: encrypted where messages are.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{ChannelLayerOptions, InvalidOptions, LayerBackend, fernet::Fernets};
use crate::redis::Redis;

/// The first host of a layer, for other keys than those of channels_redis. They begin with the layer's prefix.
pub(crate) struct Keep {
    pub(crate) redis: Redis,
    prefix: String,
    fernets: Option<Fernets>,
}

impl Keep {
    /// `None` for a layer without Redis. Connects when first needed.
    ///
    /// # Errors
    ///
    /// [`InvalidOptions`] names the setting that cannot be used.
    pub(crate) fn new(options: &ChannelLayerOptions) -> Result<Option<Self>, InvalidOptions> {
        if options.backend == LayerBackend::InMemory {
            return Ok(None);
        }
        let hosts = options.hosts_or_default();
        let Some(host) = hosts.first() else { return Ok(None) };
        let redis = Redis::new(host.options(), options.timeout).map_err(|error| InvalidOptions(error.to_string()))?;
        let fernets = Fernets::new(&options.symmetric_encryption_keys)
            .map_err(|_| InvalidOptions("symmetric_encryption_keys cannot be used".to_owned()))?;
        Ok(Some(Self { redis, prefix: options.prefix.clone(), fernets }))
    }

    /// `<prefix>:sluicegate:<name>`.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:sluicegate:{name}", self.prefix)
    }

    /// `text` as it is kept. `None` where it cannot be encrypted.
    pub(crate) fn seal(&self, text: &str, now: SystemTime) -> Option<Vec<u8>> {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match &self.fernets {
            Some(fernets) => fernets.encrypt(text.as_bytes(), seconds).ok(),
            None => Some(text.as_bytes().to_vec()),
        }
    }

    /// What was [sealed](Self::seal). `None` where no key of ours made it.
    pub(crate) fn unseal(&self, kept: Vec<u8>) -> Option<String> {
        let plain = match &self.fernets {
            Some(fernets) => fernets.decrypt(&kept, None).ok()?,
            None => kept,
        };
        String::from_utf8(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn keep(keys: &[&str]) -> Keep {
        let options = ChannelLayerOptions {
            symmetric_encryption_keys: keys.iter().copied().map(Secret::new).collect(),
            ..ChannelLayerOptions::default()
        };
        Keep::new(&options).unwrap().unwrap()
    }

    #[test]
    fn what_is_kept_is_encrypted_where_messages_are() {
        let now = SystemTime::now();
        assert_eq!(keep(&[]).seal("plain", now).unwrap(), b"plain");
        let sealed = keep(&["one"]).seal("plain", now).unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"plain"));
        assert_eq!(keep(&["two", "one"]).unseal(sealed.clone()).as_deref(), Some("plain"));
        assert_eq!(keep(&["two"]).unseal(sealed), None);
    }

    #[test]
    fn nothing_is_kept_without_redis() {
        let options = ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() };
        assert!(Keep::new(&options).unwrap().is_none());
        assert_eq!(keep(&[]).key("asked"), "asgi:sluicegate:asked");
    }
}
