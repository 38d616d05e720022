//! `redis://host:6379/0` and its relatives, in the forms of redis-py and django-redis, and
//! `redis+sentinel://host:26379,host:26379/service/0`.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::{
    redis::{RedisAddress, RedisOptions, RedisTls, RedisTopology},
    secret::Secret,
};

/// Options of redis-py that change nothing in what is stored.
const HARMLESS: &[&str] = &[
    "decode_responses",
    "encoding",
    "health_check_interval",
    "max_connections",
    "protocol",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_timeout",
    "timeout",
];

/// The server that `text` names.
///
/// # Errors
///
/// A sentence without the URL itself, which may hold a password.
pub(super) fn parse(text: &str) -> Result<RedisOptions, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("the location is no URL".to_owned());
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut parts = Parts { ..Parts::default() };
    if !login.is_empty() {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        parts.username = Some(decoded(user)?).filter(|user| !user.is_empty());
        parts.password = Some(decoded(password)?).filter(|password| !password.is_empty()).map(Secret::new);
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parts.parameter(&name, &value)?;
    }
    match scheme {
        "redis" | "valkey" => parts.server(hosts, path, false),
        "rediss" | "valkeys" => parts.server(hosts, path, true),
        "unix" => parts.socket(path),
        "redis+sentinel" | "redis-sentinel" | "sentinel" => parts.sentinel(hosts, path, false),
        "rediss+sentinel" => parts.sentinel(hosts, path, true),
        other if other.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => {
            Err(format!("the location starts with {other}://"))
        }
        _ => Err("the location is no URL".to_owned()),
    }
}

#[derive(Default)]
struct Parts {
    username: Option<String>,
    password: Option<Secret>,
    database: Option<i64>,
    tls: RedisTls,
    sentinel_username: Option<String>,
    sentinel_password: Option<Secret>,
}

impl Parts {
    fn parameter(&mut self, name: &str, value: &str) -> Result<(), String> {
        let file = || Some(PathBuf::from(value));
        match name {
            "db" => self.database = Some(database(value)?),
            "username" => self.username = Some(value.to_owned()),
            "password" => self.password = Some(Secret::new(value)),
            "ssl_cert_reqs" => self.tls.accept_any_certificate = value.eq_ignore_ascii_case("none"),
            "ssl_check_hostname" => {
                self.tls.accept_any_name =
                    ["false", "0", "no", "f", "n"].contains(&value.to_ascii_lowercase().as_str());
            }
            "ssl_ca_certs" => self.tls.ca_file = file(),
            "ssl_certfile" => self.tls.certificate_file = file(),
            "ssl_keyfile" => self.tls.key_file = file(),
            "sentinel_username" => self.sentinel_username = Some(value.to_owned()),
            "sentinel_password" => self.sentinel_password = Some(Secret::new(value)),
            _ if HARMLESS.contains(&name) => {}
            _ => return Err(format!("the location has the parameter `{name}`, which is not known here")),
        }
        Ok(())
    }

    fn server(mut self, host: &str, path: &str, tls: bool) -> Result<RedisOptions, String> {
        let tls = tls.then(|| self.tls.clone());
        let address = address(if host.is_empty() { "localhost" } else { host }, 6379, tls)?;
        self.database_of(path)?;
        Ok(self.options(RedisTopology::Single(address)))
    }

    fn socket(self, path: &str) -> Result<RedisOptions, String> {
        let path = PathBuf::from(format!("/{}", decoded(path)?));
        Ok(self.options(RedisTopology::Single(RedisAddress::Unix(path))))
    }

    fn sentinel(mut self, hosts: &str, path: &str, tls: bool) -> Result<RedisOptions, String> {
        let tls = tls.then(|| self.tls.clone());
        let sentinels = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| address(host, 26379, tls.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let (service, database) = path.split_once('/').unwrap_or((path, ""));
        if sentinels.is_empty() || service.is_empty() {
            return Err(
                "a Sentinel location names its hosts and a service: redis+sentinel://h1:26379,h2:26379/mymaster/0"
                    .to_owned(),
            );
        }
        self.database_of(database)?;
        let topology = RedisTopology::Sentinel {
            sentinels,
            service: decoded(service)?,
            sentinel_username: self.sentinel_username.take(),
            sentinel_password: self.sentinel_password.take(),
            primary_tls: tls,
        };
        Ok(self.options(topology))
    }

    /// The query's `db` wins over the path's number, as in redis-py.
    fn database_of(&mut self, path: &str) -> Result<(), String> {
        let number = path.replace('/', "");
        if self.database.is_none() && !number.is_empty() {
            self.database = Some(database(&number)?);
        }
        Ok(())
    }

    fn options(self, topology: RedisTopology) -> RedisOptions {
        let Self { username, password, database, .. } = self;
        RedisOptions { topology, username, password, database: database.unwrap_or(0) }
    }
}

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn address(text: &str, default_port: u16, tls: Option<RedisTls>) -> Result<RedisAddress, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
            (host, Some(port))
        }
        _ => (text, None),
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| "a port in the location is no port".to_owned())?,
        None => default_port,
    };
    let host = decoded(host.trim_start_matches('[').trim_end_matches(']'))?;
    if host.is_empty() {
        Err("a host in the location is empty".to_owned())
    } else {
        Ok(RedisAddress::Tcp { host, port, tls })
    }
}

fn database(text: &str) -> Result<i64, String> {
    let number = text.parse::<u32>().map_err(|_| "the database in the location is no number".to_owned())?;
    Ok(i64::from(number))
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| "the location is not valid UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(url: &str) -> String {
        let options = parse(url).unwrap();
        let login = (options.username, options.password.map(|password| password.expose().to_owned()));
        let place = match options.topology {
            RedisTopology::Single(RedisAddress::Tcp { host, port, tls }) => {
                format!("{host} {port} tls={}", tls.is_some())
            }
            RedisTopology::Single(RedisAddress::Unix(path)) => path.display().to_string(),
            RedisTopology::Sentinel { sentinels, service, .. } => format!("{} sentinels, {service}", sentinels.len()),
        };
        format!("{place} {login:?} {}", options.database)
    }

    #[test]
    fn the_forms_of_redis_py_are_read() {
        let cases = [
            ("redis://cache", "cache 6379 tls=false (None, None) 0"),
            ("redis://:p%40w@cache:6380/3", r#"cache 6380 tls=false (None, Some("p@w")) 3"#),
            ("rediss://user:pw@cache/1?ssl_cert_reqs=none&db=4", r#"cache 6379 tls=true (Some("user"), Some("pw")) 4"#),
            ("redis://[::1]:7000/0", "::1 7000 tls=false (None, None) 0"),
            ("redis://[::1]", "::1 6379 tls=false (None, None) 0"),
            ("unix:///run/redis.sock?db=2", "/run/redis.sock (None, None) 2"),
            ("unix://user:pw@/run/redis.sock", r#"/run/redis.sock (Some("user"), Some("pw")) 0"#),
            ("redis+sentinel://:pw@a:1,b/mymaster/2", r#"2 sentinels, mymaster (None, Some("pw")) 2"#),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn a_refusal_does_not_show_the_password() {
        for url in [
            "redis://u:hunter2@h/x",
            "http://u:hunter2@h/0",
            "redis://u:hunter2@h:port/0",
            "u:hunter2@h",
            "redis+sentinel://u:hunter2@/",
            "redis://u:hunter2@h?what=hunter2",
            "hunter2://x",
        ] {
            let sentence = parse(url).unwrap_err();
            assert!(!sentence.contains("u:hunter2"), "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(rediss?|unix|redis\\+sentinel)?(://)?\\PC*") {
            let _ = parse(&text);
        }
    }
}
