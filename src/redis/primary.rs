//! The way to the primary: its address, or the Sentinels that know it.

use std::{io, sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{Value, cmd};
use tokio::time::timeout;

use super::{
    RedisOptions, RedisTopology,
    error::{Cause, RedisError},
    link::{Link, Login},
    stream::Endpoint,
    tls,
};

/// How the primary is reached, each time a connection is needed.
pub(super) enum Primary {
    Known { endpoint: Endpoint, login: Login },
    BySentinel(BySentinel),
}

pub(super) struct BySentinel {
    sentinels: Vec<Endpoint>,
    service: String,
    sentinel_login: Login,
    tls: Option<Arc<rustls::ClientConfig>>,
    login: Login,
}

impl Primary {
    /// # Errors
    ///
    /// A file of the TLS options that cannot be read.
    pub(super) fn new(options: &RedisOptions) -> io::Result<Self> {
        let login = Login {
            username: options.username.clone(),
            password: options.password.clone(),
            database: options.database,
        };
        Ok(match &options.topology {
            RedisTopology::Single(address) => Self::Known { endpoint: Endpoint::new(address)?, login },
            RedisTopology::Sentinel { sentinels, service, sentinel_username, sentinel_password, primary_tls } => {
                Self::BySentinel(BySentinel {
                    sentinels: sentinels.iter().map(Endpoint::new).collect::<io::Result<_>>()?,
                    service: service.clone(),
                    sentinel_login: Login {
                        username: sentinel_username.clone(),
                        password: sentinel_password.clone(),
                        database: 0,
                    },
                    tls: primary_tls.as_ref().map(tls::client_config).transpose()?,
                    login,
                })
            }
        })
    }

    /// Where it is, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Known { endpoint, .. } => endpoint.name(),
            Self::BySentinel(BySentinel { sentinels, service, .. }) => {
                let sentinels = sentinels.iter().map(Endpoint::name).collect::<Vec<_>>().join(", ");
                format!("{service} (by Sentinel {sentinels})")
            }
        }
    }

    /// A connection to the primary, within `limit`.
    pub(super) async fn open(&self, limit: Duration) -> Result<Link, RedisError> {
        let opening = async {
            match self {
                Self::Known { endpoint, login } => Link::open(endpoint, login).await,
                Self::BySentinel(discovery) => discovery
                    .open(limit)
                    .await
                    .map_err(|tried| RedisError { address: self.name().into(), cause: Cause::NoPrimary(tried) }),
            }
        };
        timeout(limit, opening)
            .await
            .unwrap_or_else(|_| Err(RedisError { address: self.name().into(), cause: Cause::TimedOut(limit) }))
    }
}

impl BySentinel {
    /// Asks all Sentinels at once, so that one that is down costs no time, and takes the first primary that says it is
    /// one. The error says what each of them led to.
    async fn open(&self, limit: Duration) -> Result<Link, String> {
        let mut answers = self.sentinels.iter().map(|sentinel| self.ask(sentinel)).collect::<FuturesUnordered<_>>();
        let (mut seen, mut tried) = (Vec::new(), Vec::new());
        while let Some(answer) = answers.next().await {
            let (host, port) = match answer {
                Ok(primary) if seen.contains(&primary) => continue,
                Ok(primary) => primary,
                Err(error) => {
                    tried.push(error.to_string());
                    continue;
                }
            };
            seen.push((host.clone(), port));
            let endpoint = Endpoint::Tcp { host, port, tls: self.tls.clone() };
            // Not the whole time for one of them: another Sentinel may know a newer primary.
            match timeout(limit / 2, self.open_primary(&endpoint)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => tried.push(error.to_string()),
                Err(_) => {
                    let cause = Cause::TimedOut(limit / 2);
                    tried.push(RedisError { address: endpoint.name().into(), cause }.to_string());
                }
            }
        }
        Err(tried.join("; "))
    }

    /// `Sentinel.discover_master` of redis-py, by the command that Redis' documentation has for it.
    async fn ask(&self, sentinel: &Endpoint) -> Result<(String, u16), RedisError> {
        const COMMAND: &str = "SENTINEL GET-MASTER-ADDR-BY-NAME";
        let link = Link::open(sentinel, &self.sentinel_login).await?;
        let mut command = cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let answer = link.send::<Option<(String, u16)>>(&command, COMMAND).await;
        let cause = match answer {
            Ok(Some(primary)) => return Ok(primary),
            Ok(None) => Cause::NoPrimary(format!("it does not know {}", self.service)),
            Err(cause) => cause,
        };
        Err(RedisError { address: Arc::clone(&link.address), cause })
    }

    /// A Sentinel that was cut off names the primary of before: only one that calls itself so is taken.
    async fn open_primary(&self, endpoint: &Endpoint) -> Result<Link, RedisError> {
        let link = Link::open(endpoint, &self.login).await?;
        let cause = match link.send::<Value>(&cmd("ROLE"), "ROLE").await {
            Ok(Value::Array(role)) if !matches!(role.first(), Some(Value::BulkString(name)) if name == b"master") => {
                Cause::NoPrimary("it is a replica".to_owned())
            }
            // A user that may not ask finds out by READONLY.
            Ok(_) => return Ok(link),
            Err(cause) if cause.code() == Some("NOPERM") => return Ok(link),
            Err(cause) => cause,
        };
        Err(RedisError { address: Arc::clone(&link.address), cause })
    }
}
