//! `CACHES["default"]`.

use std::time::Duration;

use crate::{database::DatabaseOptions, redis::RedisOptions};

/// The cache that tickets are kept in.
#[derive(Clone, Debug)]
pub(crate) struct CacheOptions {
    pub(crate) backend: CacheBackend,
    pub(crate) key: KeyPattern,
    /// How long one operation may take. Default: 3 s.
    pub(crate) timeout: Duration,
}

/// The backends that tickets can be kept in.
#[derive(Clone, Debug)]
pub(crate) enum CacheBackend {
    /// `django.core.cache.backends.redis.RedisCache`. Values: integers plain, all else pickled.
    DjangoRedis {
        redis: RedisOptions,
        /// Pickle's protocol. Default: the highest, 5.
        pickle_protocol: u8,
    },
    /// `django_redis.cache.RedisCache`.
    DjangoRedisPackage { redis: RedisOptions, serializer: Serializer, compressor: Option<Compressor> },
    /// `django.core.cache.backends.db.DatabaseCache`.
    Database {
        database: DatabaseOptions,
        /// The table's name, unquoted.
        table: String,
        /// `MAX_ENTRIES`. Default: 300.
        max_entries: u64,
        /// `CULL_FREQUENCY`. Default: 3.
        cull_frequency: u64,
        /// How `expires` is written: UTC, or (`USE_TZ = False`) local time of this zone's offset rules.
        time_zone: Option<String>,
    },
    /// This process's own memory.
    InProcess,
}

/// django-redis' `SERIALIZER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serializer {
    /// `PickleSerializer`, with `PICKLE_VERSION` (default 4 in django-redis; -1 means 5).
    Pickle {
        protocol: u8,
    },
    Json,
    MsgPack,
}

/// django-redis' `COMPRESSOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compressor {
    Zlib,
    Gzip,
    Zstd,
    Lz4,
}

/// How a key is made: `{prefix}:{version}:{key}`, or what `KEY_FUNCTION` turned out to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPattern {
    /// A text with `{prefix}`, `{version}` and `{key}`.
    pub(crate) pattern: String,
    /// `KEY_PREFIX`. Default: empty.
    pub(crate) prefix: String,
    /// `VERSION`, as `%s` prints it (Django takes a text, too). Default: 1.
    pub(crate) version: String,
}

impl Default for KeyPattern {
    fn default() -> Self {
        Self { pattern: "{prefix}:{version}:{key}".to_owned(), prefix: String::new(), version: "1".to_owned() }
    }
}
