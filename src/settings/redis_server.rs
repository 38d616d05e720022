//! A Redis server as the document has it: what redis-py's connection pool knows after URL and options were merged.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    redis::{RedisAddress, RedisTls},
    secret::Secret,
};

#[derive(Deserialize)]
pub(super) struct Server {
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    unix_socket: Option<String>,
    #[serde(default)]
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    db: Option<i64>,
    /// Of a channel layer's host: who is asked for the primary.
    #[serde(default)]
    pub(super) sentinels: Option<Vec<Server>>,
    #[serde(default)]
    pub(super) service_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tls {
    #[serde(default)]
    accept_any_certificate: bool,
    #[serde(default)]
    accept_any_name: bool,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    certificate_file: Option<PathBuf>,
    #[serde(default)]
    key_file: Option<PathBuf>,
}

impl Server {
    /// User name, password and database.
    pub(super) fn login(&self) -> (Option<String>, Option<Secret>, i64) {
        let username = self.username.clone().filter(|name| !name.is_empty());
        let password = self.password.clone().filter(|password| !password.is_empty()).map(Secret::new);
        (username, password, self.db.unwrap_or(0))
    }

    /// `None` where it has neither host nor socket.
    pub(super) fn address(&self, default_port: u16) -> Option<RedisAddress> {
        match (&self.unix_socket, &self.host) {
            (Some(path), _) => Some(RedisAddress::Unix(PathBuf::from(path))),
            (None, Some(host)) => Some(RedisAddress::Tcp {
                host: host.clone(),
                port: self.port.unwrap_or(default_port),
                tls: self.tls.as_ref().map(Tls::options),
            }),
            (None, None) => None,
        }
    }
}

impl Tls {
    pub(super) fn options(&self) -> RedisTls {
        RedisTls {
            accept_any_certificate: self.accept_any_certificate,
            accept_any_name: self.accept_any_name,
            ca_file: self.ca_file.clone(),
            certificate_file: self.certificate_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}
