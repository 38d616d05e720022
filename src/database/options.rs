//! `DATABASES`, completed by the driver's own files.

use std::{path::PathBuf, time::Duration};

use crate::secret::Secret;

/// One database and the pool in front of it.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseOptions {
    pub(crate) server: DatabaseServer,
    /// Connections at most. Default: 10.
    pub(crate) max_connections: u32,
    /// How long a caller waits for a connection and its answer. Default: 3 s.
    pub(crate) timeout: Duration,
    /// Named prepared statements. Default: auto.
    pub(crate) prepared: Prepared,
}

/// Where it is.
#[derive(Clone, Debug)]
pub(crate) enum DatabaseServer {
    Postgres {
        /// A name, an address, or a folder of unix sockets (starts with `/`).
        host: String,
        port: u16,
        user: String,
        password: Option<Secret>,
        database: String,
        tls: DatabaseTls,
        /// `options`, such as `-c search_path=core,public`.
        options: Option<String>,
    },
    MySql {
        host: String,
        port: u16,
        unix_socket: Option<PathBuf>,
        user: String,
        password: Option<Secret>,
        database: String,
        tls: DatabaseTls,
        /// `charset`. Default: utf8mb4.
        charset: String,
    },
    Sqlite {
        /// The file; absent: in memory, for `demo` and tests.
        file: Option<PathBuf>,
    },
}

/// libpq's `sslmode` words serve both servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatabaseTls {
    /// `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`. Default: `prefer`.
    pub(crate) mode: Option<String>,
    pub(crate) root_certificate: Option<PathBuf>,
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

/// `[database] prepared`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// Named statements, unless a pooler (pgbouncer) stands in between.
    #[default]
    Auto,
    Always,
    Never,
}
