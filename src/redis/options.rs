//! Where a Redis is and how to log in.

use std::path::PathBuf;

use crate::secret::Secret;

/// One Redis, as `LOCATION` and `OPTIONS` describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedisOptions {
    pub(crate) topology: RedisTopology,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// The database number. Default: 0.
    pub(crate) database: i64,
}

/// How the primary is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RedisTopology {
    /// The first of `LOCATION`'s servers: writes, reads and deletes all go there.
    Single(RedisAddress),
    /// Ask these Sentinels for the primary of `service`.
    Sentinel {
        sentinels: Vec<RedisAddress>,
        service: String,
        sentinel_username: Option<String>,
        sentinel_password: Option<Secret>,
        /// TLS to the primary (the Sentinels' own is in their addresses).
        primary_tls: Option<RedisTls>,
    },
}

/// One server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RedisAddress {
    Tcp { host: String, port: u16, tls: Option<RedisTls> },
    Unix(PathBuf),
}

/// `rediss://` and its `ssl_*` options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RedisTls {
    /// `ssl_cert_reqs: None` or `"none"`: any certificate is accepted.
    pub(crate) accept_any_certificate: bool,
    /// `ssl_check_hostname: False`: any name in the certificate is accepted.
    pub(crate) accept_any_name: bool,
    /// `ssl_ca_certs`.
    pub(crate) ca_file: Option<PathBuf>,
    /// `ssl_certfile`.
    pub(crate) certificate_file: Option<PathBuf>,
    /// `ssl_keyfile`.
    pub(crate) key_file: Option<PathBuf>,
}
