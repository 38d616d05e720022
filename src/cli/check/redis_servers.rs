//! What each Redis is like: its release, what it does when its memory is full, its clock, and what its user may do.

use std::time::Duration;

use super::{clocks, code::Code, findings::Findings};
use crate::{
    cache::CacheBackend,
    causes::with_causes,
    channel_layer::{ChannelLayerOptions, LayerBackend},
    consumer::{RouteKind, RouteOptions},
    redis::{Redis, RedisError, RedisOptions, ServerInfo},
    settings::Settings,
    ticket::TICKET_LIFETIME,
};

/// One Redis, and what it is used for.
struct Use {
    subject: String,
    options: RedisOptions,
    timeout: Duration,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Cache,
    Layer,
    PubSub,
}

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let mut seen = Vec::new();
    for used in uses(settings) {
        let redis = match Redis::new(&used.options, used.timeout) {
            Ok(redis) => redis,
            Err(error) => {
                findings.add(Code::RedisUnknown, &used.subject, error.to_string());
                continue;
            }
        };
        let info = match redis.server_info().await {
            Ok(info) => info,
            Err(error) if is_away(&error) => continue, // As cache or layer said.
            Err(error) => {
                let what = format!("release, memory and eviction are not known: {}", with_causes(&error));
                findings.add(Code::RedisUnknown, &used.subject, what);
                ServerInfo::default()
            }
        };
        check_release(&used, &info, findings);
        check_eviction(&used.subject, &info, findings);
        match redis.clock().await {
            Ok(offset) => clocks::check(Code::RedisClock, &used.subject, &offset, findings),
            Err(error) => {
                let what = format!("its clock is not known: {}", with_causes(&error));
                findings.add(Code::RedisUnknown, &used.subject, what);
            }
        }
        check_commands(&used, &redis, &commands(&used, settings), findings).await;
        seen.push((used, info));
    }
    check_sharing(&seen, findings);
}

/// Where Redis does not answer at all there is nothing to ask it.
fn is_away(error: &RedisError) -> bool {
    error.cause.code().is_none()
}

fn uses(settings: &Settings) -> Vec<Use> {
    let mut uses = Vec::new();
    if let Some(admission) = &settings.admission
        && let CacheBackend::DjangoRedis { redis, .. } | CacheBackend::DjangoRedisPackage { redis, .. } =
            &admission.cache.backend
    {
        let (subject, options) = ("redis of the cache".to_owned(), redis.clone());
        uses.push(Use { subject, options, timeout: admission.cache.timeout, purpose: Purpose::Cache });
    }
    let layer =
        settings.channel_layer.as_ref().filter(|_| settings.routes.iter().any(|route| route.kind.uses_channel_layer()));
    if let Some(layer) = layer {
        let purpose = match layer.backend {
            LayerBackend::Redis => Purpose::Layer,
            LayerBackend::RedisPubSub => Purpose::PubSub,
            LayerBackend::InMemory => return uses,
        };
        let hosts = layer.hosts_or_default();
        for (number, host) in hosts.iter().enumerate() {
            let subject = match hosts.len() {
                1 => "redis of the channel layer".to_owned(),
                count => format!("redis of the channel layer, host {} of {count}", number + 1),
            };
            uses.push(Use { subject, options: host.options().clone(), timeout: layer.timeout, purpose });
        }
    }
    uses
}

fn check_release(used: &Use, info: &ServerInfo, findings: &mut Findings) {
    let Some(version) = &info.version else { return };
    if used.purpose == Purpose::Cache && info.is_from(6, 2) == Some(false) {
        findings.add(Code::OldRedis, &used.subject, format!("Redis {version}"));
    } else {
        findings.ok(&used.subject, &format!("Redis {version}"));
    }
}

fn check_eviction(subject: &str, info: &ServerInfo, findings: &mut Findings) {
    let Some(policy) = &info.eviction else { return };
    let limit = match info.max_memory {
        Some(0) => return findings.ok(subject, "its memory has no limit, so nothing is evicted"),
        Some(bytes) => format!("maxmemory = {bytes}"),
        None => "maxmemory is not known".to_owned(),
    };
    let what = format!("maxmemory-policy = {policy}, {limit}");
    match policy.as_str() {
        "noeviction" => findings.ok(subject, &what),
        policy if policy.starts_with("volatile-") => findings.add(Code::EvictionOfExpiring, subject, what),
        _ => findings.add(Code::Eviction, subject, what),
    }
}

/// Whether a view is told of the end of the route's sockets, which the layer's Redis keeps a register for.
fn tells_of_ends(route: &RouteOptions) -> bool {
    match &route.kind {
        RouteKind::Declared(declared) => declared.ask.as_ref().is_some_and(|ask| ask.on_disconnect),
        RouteKind::Rust(_) | RouteKind::Proxy(_) => false,
    }
}

/// The commands that are sent, by scripts too, with keys as they are made.
fn commands(used: &Use, settings: &Settings) -> Vec<Vec<String>> {
    let line = |text: &str, key: &str| text.split(' ').map(|word| word.replace("KEY", key)).collect::<Vec<String>>();
    let all = |lines: &[&str], key: &str| lines.iter().map(|text| line(text, key)).collect::<Vec<_>>();
    let prefix = settings.channel_layer.as_ref().map_or("", |layer: &ChannelLayerOptions| layer.prefix.as_str());
    match (used.purpose, &settings.admission) {
        (Purpose::Cache, Some(admission)) => {
            let seconds = TICKET_LIFETIME.as_secs();
            let key = admission.cache.key.make("00000000-0000-4000-8000-000000000000");
            let mut lines = all(&[&format!("SET KEY 1 EX {seconds}"), "GETDEL KEY", "GET KEY", "DEL KEY"], &key);
            if settings.http.views.iter().any(|view| !view.throttles.is_empty()) {
                let key = admission.cache.key.make("sluicegate_throttle_check");
                lines.extend(all(
                    &["EVAL return 1 KEY", "LINDEX KEY -1", "RPOP KEY", "LLEN KEY", "LPUSH KEY 1", "PEXPIRE KEY 1"],
                    &key,
                ));
            }
            if settings.server.limits.connections_per_user.is_some() && settings.server.limits.admission.share_users {
                lines.extend(all(
                    &["EVAL return 1 KEY", "SMEMBERS KEY", "SADD KEY a", "SREM KEY a", "PEXPIRE KEY 1"],
                    &admission.cache.key.make("sluicegate.users"),
                ));
                lines.extend(all(
                    &["EXISTS KEY", "HGET KEY a", "HSET KEY a b", "HDEL KEY a", "PEXPIRE KEY 1", "DEL KEY"],
                    &admission.cache.key.make("sluicegate.users.check"),
                ));
            }
            lines
        }
        (Purpose::Cache, None) => Vec::new(),
        (Purpose::Layer, _) => {
            let mut lines = all(
                &["ZADD KEY 1 a", "EXPIRE KEY 60", "ZREM KEY a", "ZREMRANGEBYSCORE KEY 0 1", "ZRANGE KEY 0 -1"],
                &format!("{prefix}:group:sluicegate-check"),
            );
            lines.extend(all(
                &[
                    "ZADD KEY 1 a",
                    "ZCOUNT KEY -inf +inf",
                    "EXPIRE KEY 60",
                    "BZPOPMIN KEY 1",
                    "ZPOPMIN KEY 1",
                    "ZREMRANGEBYSCORE KEY 0 1",
                    "ZRANGE KEY 0 -1",
                    "DEL KEY",
                    "EVAL return 1 KEY",
                    "TIME",
                    "MULTI",
                    "EXEC",
                ],
                &format!("{prefix}specific.sluicegate-check!"),
            ));
            if settings.routes.iter().any(tells_of_ends) {
                lines.extend(all(
                    &["ZSCORE KEY a", "ZRANGEBYSCORE KEY -inf 1", "EXISTS KEY", "RENAME KEY KEY"],
                    &format!("{prefix}:sluicegate:asked"),
                ));
                lines.extend(all(
                    &["HSET KEY a b", "HDEL KEY a", "HLEN KEY", "HSCAN KEY 0", "EXPIRE KEY 60"],
                    &format!("{prefix}:sluicegate:asked:sluicegate-check"),
                ));
            }
            lines
        }
        (Purpose::PubSub, _) => {
            let channel = format!("{prefix}__group__sluicegate-check");
            all(&["PUBLISH KEY a", "SUBSCRIBE KEY", "UNSUBSCRIBE KEY"], &channel)
        }
    }
}

async fn check_commands(used: &Use, redis: &Redis, commands: &[Vec<String>], findings: &mut Findings) {
    let forbidden = match redis.forbidden(commands).await {
        Ok(Some(forbidden)) => forbidden,
        Ok(None) => {
            let what = "what its user may do cannot be asked (ACL DRYRUN, Redis 7): what was tried above works";
            return findings.add(Code::RedisUnknown, &used.subject, what);
        }
        Err(_) => return,
    };
    let mut needed: Vec<&str> = forbidden.iter().copied().filter(|name| *name != "GETDEL").collect();
    needed.sort_unstable();
    needed.dedup();
    if !needed.is_empty() {
        let allowed = needed.iter().map(|name| format!("+{}", name.to_lowercase())).collect::<Vec<_>>().join(" ");
        let what = format!("its user may not send {}, or not with these keys", needed.join(", "));
        let mend = format!("ACL SETUSER ... {allowed}        # and the keys: ~{}", pattern(commands));
        findings.add_with(Code::CommandForbidden, &used.subject, what, mend);
    } else if forbidden.is_empty() {
        findings.ok(&used.subject, "its user may send every command that is needed");
    } else {
        findings.add(Code::GetdelForbidden, &used.subject, "its user may not send GETDEL");
    }
}

/// What all keys begin with.
fn pattern(commands: &[Vec<String>]) -> String {
    let mut keys = commands.iter().filter_map(|command| command.get(1));
    let Some(first) = keys.next() else { return "*".to_owned() };
    let common = keys.fold(first.as_str(), |common, key| {
        let same = common.bytes().zip(key.bytes()).take_while(|(a, b)| a == b).count();
        common.get(..same).unwrap_or_default()
    });
    format!("{}*", common.trim_end_matches("00000000-0000-4000-8000-000000000000"))
}

fn check_sharing(seen: &[(Use, ServerInfo)], findings: &mut Findings) {
    let cache = seen.iter().find(|(used, _)| used.purpose == Purpose::Cache);
    for (layer, info) in seen.iter().filter(|(used, _)| used.purpose != Purpose::Cache) {
        if layer.purpose == Purpose::PubSub {
            if layer.options.database != 0 {
                let what = format!("database {}, which pub/sub knows nothing of", layer.options.database);
                findings.add(Code::PubSubShared, &layer.subject, what);
            }
            continue;
        }
        let Some((cache, cache_info)) = cache else { continue };
        let is_one_server = match (&info.run_id, &cache_info.run_id) {
            (Some(one), Some(other)) => one == other,
            _ => layer.options.topology == cache.options.topology,
        };
        let database = layer.options.database;
        if is_one_server && database == cache.options.database {
            let mend = format!(
                "CHANNEL_LAYERS = {{\"default\": {{..., \"CONFIG\": {{\"hosts\": [\"redis://.../{}\"]}}}}}}        # another number",
                database + 1
            );
            findings.add_with(
                Code::SharedDatabase,
                &layer.subject,
                format!("both are in its database {database}"),
                mend,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::check::findings::Form,
        redis::{RedisAddress, RedisTopology},
    };

    fn info(policy: &str, max_memory: u64) -> ServerInfo {
        ServerInfo { eviction: Some(policy.to_owned()), max_memory: Some(max_memory), ..ServerInfo::default() }
    }

    fn used(purpose: Purpose, database: i64) -> Use {
        let topology = RedisTopology::Single(RedisAddress::Unix("/redis".into()));
        let options = RedisOptions { topology, username: None, password: None, database };
        Use { subject: "redis".to_owned(), options, timeout: Duration::from_secs(1), purpose }
    }

    #[test]
    fn what_may_be_evicted_is_said_where_there_is_a_limit() {
        let codes = |policy: &str, max_memory| {
            let mut findings = Findings::new(Form::Json);
            check_eviction("redis", &info(policy, max_memory), &mut findings);
            findings.codes()
        };
        assert_eq!(codes("allkeys-lru", 1_000_000), ["C401"]);
        assert_eq!(codes("volatile-ttl", 1_000_000), ["C402"]);
        assert_eq!(codes("noeviction", 1_000_000), Vec::<&str>::new());
        assert_eq!(codes("allkeys-lru", 0), Vec::<&str>::new());
    }

    #[test]
    fn an_old_redis_is_a_note_where_tickets_are_taken() {
        let codes = |purpose, version: &str| {
            let mut findings = Findings::new(Form::Json);
            let info = ServerInfo { version: Some(version.to_owned()), ..ServerInfo::default() };
            check_release(&used(purpose, 0), &info, &mut findings);
            findings.codes()
        };
        assert_eq!(codes(Purpose::Cache, "6.0.16"), ["C403"]);
        assert_eq!(codes(Purpose::Cache, "7.0.15"), Vec::<&str>::new());
        assert_eq!(codes(Purpose::Layer, "6.0.16"), Vec::<&str>::new());
    }

    #[test]
    fn one_database_for_cache_and_layer_is_said() {
        let codes = |purpose, number| {
            let mut findings = Findings::new(Form::Json);
            let seen = [(used(Purpose::Cache, 1), info("", 0)), (used(purpose, number), info("", 0))];
            check_sharing(&seen, &mut findings);
            findings.codes()
        };
        assert_eq!(codes(Purpose::Layer, 1), ["C408"]);
        assert_eq!(codes(Purpose::Layer, 2), Vec::<&str>::new());
        assert_eq!(codes(Purpose::PubSub, 1), ["C409"]);
    }
}
