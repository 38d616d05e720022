//! The store that `CACHES["default"]` asks for.

use std::{io, sync::Arc};

use super::{
    DatabaseTicketStore, InProcessTicketStore, RedisTicketStore, TicketStore,
    database::{Culling, Table},
};
use crate::{
    cache::{CacheBackend, CacheOptions, ValueFormat},
    database::{DatabaseError, StatementError},
};

/// The settings name a cache that cannot be used; nothing was connected yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// A certificate or key that cannot be read.
    #[error("the TLS files of the cache's Redis")]
    Tls(#[from] io::Error),
    /// `TIME_ZONE` under `USE_TZ = False`.
    #[error("the time zone {0:?} is not known")]
    TimeZone(String),
    /// The options of the cache's database.
    #[error("the cache's database")]
    Database(#[from] DatabaseError),
    /// `LOCATION` is a name that no statement can hold.
    #[error("the name of the cache's table")]
    Table(#[source] StatementError),
}

/// The store of `options`. Connects when first used: [`TicketStore::ping`] tells whether it can.
///
/// # Errors
///
/// [`OpenError`], at start.
pub(crate) fn open(options: &CacheOptions) -> Result<Arc<dyn TicketStore>, OpenError> {
    let (redis, format) = match &options.backend {
        CacheBackend::DjangoRedis { redis, pickle_protocol } => {
            (redis, ValueFormat::Django { pickle_protocol: *pickle_protocol })
        }
        CacheBackend::DjangoRedisPackage { redis, serializer, compressor } => {
            (redis, ValueFormat::DjangoRedis { serializer: *serializer, compressor: *compressor })
        }
        CacheBackend::Database { database, table, max_entries, cull_frequency, time_zone } => {
            let table = Table { database, name: table, time_zone: time_zone.as_deref() };
            let culling = Culling { max_entries: *max_entries, frequency: *cull_frequency };
            let store = DatabaseTicketStore::new(&table, options.key.clone(), culling, options.timeout)?;
            return Ok(Arc::new(store));
        }
        CacheBackend::InProcess => return Ok(Arc::new(InProcessTicketStore::default())),
    };
    Ok(Arc::new(RedisTicketStore::new(redis, options.key.clone(), format, options.timeout)?))
}
