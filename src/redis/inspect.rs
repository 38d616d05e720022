//! What a Redis says of itself, for `sluicegate check`.

use std::collections::HashMap;

use redis::{Cmd, cmd};

use super::{Cause, Redis, RedisError};
use crate::clock_offset::ClockOffset;

/// The parts of `INFO` that matter here; what Redis does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerInfo {
    pub(crate) version: Option<String>,
    /// Of this start of the server: two connections that read the same one are to one server.
    pub(crate) run_id: Option<String>,
    /// In bytes; 0: no limit.
    pub(crate) max_memory: Option<u64>,
    /// `maxmemory-policy`.
    pub(crate) eviction: Option<String>,
}

impl ServerInfo {
    fn parse(text: &str) -> Self {
        let mut values: HashMap<&str, &str> = text.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let mut take = |name| values.remove(name).filter(|value: &&str| !value.is_empty());
        Self {
            version: take("redis_version").map(str::to_owned),
            run_id: take("run_id").map(str::to_owned),
            max_memory: take("maxmemory").and_then(|bytes| bytes.parse().ok()),
            eviction: take("maxmemory_policy").map(str::to_owned),
        }
    }

    /// Whether it is at least of this release; `None` where it does not say.
    pub(crate) fn is_from(&self, major: u32, minor: u32) -> Option<bool> {
        let mut numbers = self.version.as_deref()?.split('.').map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?) >= (major, minor))
    }
}

impl Redis {
    /// `INFO`.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; a managed Redis may refuse.
    pub(crate) async fn server_info(&self) -> Result<ServerInfo, RedisError> {
        let text: String = self.send(&cmd("INFO"), "INFO").await?;
        Ok(ServerInfo::parse(&text))
    }

    /// Its clock, beside this machine's.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub(crate) async fn clock(&self) -> Result<ClockOffset, RedisError> {
        ClockOffset::measure(async || {
            let (seconds, microseconds): (i64, i64) = self.send(&cmd("TIME"), "TIME").await?;
            Ok(seconds.saturating_mul(1_000_000).saturating_add(microseconds))
        })
        .await
    }

    /// Which of `commands`, each with arguments as they will be sent, the user that logged in may not send. `None` where
    /// Redis cannot say: before 7, or to this user.
    ///
    /// # Errors
    ///
    /// [`RedisError`]: no answer.
    pub(crate) async fn forbidden<'a>(&self, commands: &'a [Vec<String>]) -> Result<Option<Vec<&'a str>>, RedisError> {
        let user: String = match self.send(cmd("ACL").arg("WHOAMI"), "ACL WHOAMI").await {
            Ok(user) => user,
            Err(error) => return cannot_say(error),
        };
        let mut forbidden = Vec::new();
        for command in commands {
            let mut dry_run: Cmd = cmd("ACL");
            dry_run.arg("DRYRUN").arg(&user).arg(command);
            match self.send::<String>(&dry_run, "ACL DRYRUN").await {
                Ok(answer) if answer == "OK" => {}
                Ok(_) => forbidden.extend(command.first().map(String::as_str)),
                Err(error) => return cannot_say(error),
            }
        }
        Ok(Some(forbidden))
    }
}

fn cannot_say<T>(error: RedisError) -> Result<Option<T>, RedisError> {
    match error.cause {
        Cause::Refused { .. } => Ok(None),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_support::redis::Redis as Server;

    #[tokio::test]
    async fn a_real_redis_says_what_it_is_and_what_a_user_may_not() {
        let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
        let redis = Redis::new(&server.options(), Duration::from_secs(3)).unwrap();
        let info = redis.server_info().await.unwrap();
        assert_eq!((info.max_memory, info.eviction.as_deref()), (Some(104_857_600), Some("allkeys-lru")));
        assert!(info.version.is_some() && info.run_id.is_some());
        assert!(redis.clock().await.unwrap().at_least() < Duration::from_secs(1));
        let command = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let commands = [command("GETDEL :1:a"), command("SET other 1")];
        if info.is_from(7, 0) == Some(true) {
            assert_eq!(redis.forbidden(&commands).await.unwrap(), Some(vec![]));
            server.command(&["ACL", "SETUSER", "default", "resetkeys", "~:1:*", "-getdel"]);
            assert_eq!(redis.forbidden(&commands).await.unwrap(), Some(vec!["GETDEL", "SET"]));
        }
        server.command(&["ACL", "SETUSER", "default", "-acl|dryrun"]);
        assert_eq!(redis.forbidden(&commands).await.unwrap(), None, "it cannot say");
    }

    #[test]
    fn what_redis_says_is_read() {
        let info = ServerInfo::parse(
            "# Server\r\nredis_version:6.0.16\r\nrun_id:abc\r\n\r\n# Memory\r\nmaxmemory:1048576\r\nmaxmemory_policy:allkeys-lru\r\n",
        );
        assert_eq!(info.version.as_deref(), Some("6.0.16"));
        assert_eq!((info.max_memory, info.eviction.as_deref()), (Some(1_048_576), Some("allkeys-lru")));
        assert_eq!((info.is_from(6, 2), info.is_from(6, 0), info.is_from(5, 9)), (Some(false), Some(true), Some(true)));
        assert_eq!(ServerInfo::parse("").is_from(6, 2), None);
    }
}
