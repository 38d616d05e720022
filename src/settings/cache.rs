//! `[cache]`: where tickets are kept, and under which key.

use std::time::Duration;

use serde_json::Value;

use super::{
    cache_redis, database,
    django::Django,
    layer::Layers,
    problem::{Code, Problem},
    values::Values,
};
use crate::{
    cache::{CacheBackend, CacheOptions, Compressor, KeyPattern, Serializer},
    database::{DatabaseOptions, DatabaseServer},
    redis::RedisOptions,
};

pub(super) const MEND: &str = "[cache]\nlocation = \"redis://host:6379/0\"        # as in CACHES[\"default\"]";

/// What the cache's answer depends on outside its own section.
pub(super) struct Surroundings<'a> {
    /// Whether the ticket view is served here, so that nobody else writes tickets.
    pub(super) issues: bool,
    /// Whether there is a Django behind, which redeems the tickets of its sockets.
    pub(super) passes_on: bool,
    pub(super) debug: bool,
    pub(super) database: Option<&'a DatabaseOptions>,
}

/// The cache that tickets are kept in.
pub(super) fn read(layers: &mut Layers, django: &Django, around: &Surroundings<'_>) -> Option<CacheOptions> {
    let backend = backend(layers, django, around);
    let key = key_pattern(layers);
    let unsupported = layers.values.texts("cache.unsupported").unwrap_or_default();
    let origin = layers.values.origin("cache.unsupported").clone();
    for sentence in unsupported {
        layers.problems.push(Problem::new(Code::NotWithoutPython, sentence).at(&origin));
    }
    match backend {
        Ok(backend) => {
            let timeout = layers.values.seconds("cache.socket_timeout", Duration::from_secs(3));
            Some(CacheOptions { backend, key: key?, timeout })
        }
        Err(problem) => {
            layers.problems.push(problem);
            None
        }
    }
}

/// The kind of a backend, by its dotted path or a short word.
fn kind_of(backend: &str) -> &str {
    match backend {
        "django.core.cache.backends.redis.RedisCache" => "redis",
        "django_redis.cache.RedisCache" => "django_redis",
        "django.core.cache.backends.db.DatabaseCache" => "database",
        "django.core.cache.backends.locmem.LocMemCache" => "locmem",
        "django.core.cache.backends.dummy.DummyCache" => "dummy",
        "django.core.cache.backends.filebased.FileBasedCache" => "file",
        path if path.starts_with("django.core.cache.backends.memcached.") => "memcached",
        word => word,
    }
}

fn kind(values: &Values) -> &str {
    let backend = values.text("cache.backend").map(kind_of);
    let location_is_redis = || {
        let first = values.texts("cache.location").and_then(|all| all.into_iter().next()).unwrap_or_default();
        values.is_stated("cache.url") || values.is_stated("cache.sentinels") || first.contains("://")
    };
    let django = values.text("cache.kind");
    match (backend.filter(|_| values.is_stated("cache.backend")), django.or(backend)) {
        (Some(stated), _) => stated,
        // Another location for the same cache: only its address changes.
        (None, Some(known @ ("redis" | "django_redis"))) => known,
        (None, _)
            if values.first_stated(&["cache.url", "cache.location", "cache.sentinels"]).is_some()
                && location_is_redis() =>
        {
            "redis"
        }
        (None, Some(known)) => known,
        (None, None) => "locmem",
    }
}

fn backend(layers: &mut Layers, django: &Django, around: &Surroundings<'_>) -> Result<CacheBackend, Problem> {
    let kind = kind(&layers.values).to_owned();
    let origin = match layers.values.first_stated(&["cache.url", "cache.backend", "cache.location"]) {
        Some(path) => layers.values.origin(path),
        None => layers.values.origin("cache.backend"),
    };
    let origin = origin.clone();
    let refused = |sentence: String| Problem::new(Code::CacheRefused, sentence).at(&origin).mend(MEND);
    match kind.as_str() {
        "redis" | "django_redis" => redis_backend(layers, &kind),
        "database" => database_backend(layers, around.database),
        "locmem" => match (django.failure("cache"), layers.values.given("cache.backend").is_some()) {
            (Some(failure), false) => Err(failure),
            _ => local_memory(layers, around).map_err(|problem| problem.at(&origin)),
        },
        "dummy" => Err(refused("DummyCache stores nothing, so no ticket can be redeemed".to_owned())),
        "memcached" => Err(refused("tickets in Memcached are not supported".to_owned())),
        "file" => Err(refused("tickets in FileBasedCache are not supported".to_owned())),
        _ => {
            let named = layers.values.text("cache.backend").unwrap_or("the project's backend");
            Err(refused(format!("the cache backend {named} is not supported")))
        }
    }
}

fn redis_backend(layers: &mut Layers, kind: &str) -> Result<CacheBackend, Problem> {
    let redis: RedisOptions = cache_redis::read(layers)?;
    let values = &layers.values;
    let refused = |path: &str, sentence: String| Problem::new(Code::CacheRefused, sentence).at(values.origin(path));
    match values.text("cache.client") {
        None | Some("default" | "sentinel") => {}
        Some("shard") => {
            return Err(refused(
                "cache.client",
                "django-redis' ShardClient is not supported: its tickets are spread over several servers".to_owned(),
            ));
        }
        Some("herd") => {
            return Err(refused(
                "cache.client",
                "django-redis' HerdClient is not supported: it stores a marker with each value".to_owned(),
            ));
        }
        Some(other) => return Err(refused("cache.client", format!("the cache client {other} is not supported"))),
    }
    let protocol = |default: i64| match values.integer_or("cache.pickle_protocol", default) {
        0..=5 => u8::try_from(values.integer_or("cache.pickle_protocol", default)).unwrap_or(5),
        _ => 5,
    };
    let serializer = values.text_or_none("cache.serializer", Some("pickle"));
    let serializer = match serializer.as_deref().unwrap_or("pickle") {
        "pickle" | "django_redis.serializers.pickle.PickleSerializer" => {
            Serializer::Pickle { protocol: protocol(if kind == "redis" { 5 } else { 4 }) }
        }
        "json" | "django_redis.serializers.json.JSONSerializer" => Serializer::Json,
        "msgpack" | "django_redis.serializers.msgpack.MSGPackSerializer" => Serializer::MsgPack,
        other => {
            return Err(refused(
                "cache.serializer",
                format!("the serializer {other} is the project's own, and cannot be run without Python"),
            ));
        }
    };
    let ignores = values.boolean("cache.ignore_exceptions", false);
    let backend = match (kind, serializer) {
        ("redis", Serializer::Pickle { protocol }) => CacheBackend::DjangoRedis { redis, pickle_protocol: protocol },
        ("redis", _) => {
            let sentence = "Django's own RedisCache has no serializers by name; say backend = \"django_redis\" for those of django-redis";
            return Err(refused("cache.serializer", sentence.to_owned()));
        }
        _ => CacheBackend::DjangoRedisPackage { redis, serializer, compressor: compressor(values)? },
    };
    if ignores {
        let note = "the project's cache ignores exceptions (DJANGO_REDIS_IGNORE_EXCEPTIONS): where Django would hand out a \
                    ticket that was never stored, the answer here is 503";
        layers.notes.push(note.to_owned());
    }
    Ok(backend)
}

fn compressor(values: &Values) -> Result<Option<Compressor>, Problem> {
    let compressor = values.text_or_none("cache.compressor", None);
    let word = compressor.as_deref().unwrap_or_default();
    let word = word.strip_prefix("django_redis.compressors.").and_then(|path| path.split('.').next()).unwrap_or(word);
    match word {
        "" | "identity" => Ok(None),
        "zlib" => Ok(Some(Compressor::Zlib)),
        "gzip" => Ok(Some(Compressor::Gzip)),
        "zstd" => Ok(Some(Compressor::Zstd)),
        "lz4" => Ok(Some(Compressor::Lz4)),
        other => Err(Problem::new(Code::CacheRefused, format!("the compressor {other} is not supported"))
            .at(values.origin("cache.compressor"))
            .mend("zlib, gzip, zstd and lz4 are.")),
    }
}

fn database_backend(layers: &Layers, users: Option<&DatabaseOptions>) -> Result<CacheBackend, Problem> {
    let values = &layers.values;
    let own = match values.given("cache.database") {
        Some((item @ Value::Object(_), _)) => Some(database::of_document(item).map_err(|problems| {
            let first = problems.into_iter().next();
            first.unwrap_or_else(|| Problem::new(Code::CacheRefused, "the cache's database is not known"))
        })?),
        _ => None,
    };
    let stated = values.first_stated(&["database.url", "database.host", "database.name", "database.password"]);
    let database = match (own, users) {
        // What was said about the database holds for the table of tickets in it, too.
        (Some(server), Some(users)) if stated.is_none() || !same_vendor(&server, &users.server) => {
            DatabaseOptions { server, ..users.clone() }
        }
        (_, Some(users)) => users.clone(),
        (_, None) => {
            return Err(Problem::new(Code::CacheMissing, "the cache is a table of a database that is not known"));
        }
    };
    let table = values.texts("cache.location").and_then(|all| all.into_iter().next()).filter(|table| !table.is_empty());
    let Some(table) = table else {
        let missing = Problem::new(Code::CacheMissing, "the cache's table is not named");
        return Err(
            missing.mend("[cache]\nlocation = \"django_cache\"        # as in CACHES[\"default\"][\"LOCATION\"]")
        );
    };
    let time_zone = (!values.boolean("use_tz", true)).then(|| values.text_or("time_zone", "America/Chicago"));
    Ok(CacheBackend::Database {
        database,
        table,
        max_entries: values.count_or("cache.max_entries", 300),
        cull_frequency: values.count_or("cache.cull_frequency", 3),
        time_zone,
    })
}

fn same_vendor(a: &DatabaseServer, b: &DatabaseServer) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// `LocMemCache`: good only where this process both writes and reads the tickets, and as a deliberate choice.
fn local_memory(layers: &mut Layers, around: &Surroundings<'_>) -> Result<CacheBackend, Problem> {
    let by_default = layers.values.given("cache.backend").is_none() && layers.values.text("cache.kind").is_none();
    let sentence = match (around.issues, by_default) {
        (_, false) if around.passes_on => {
            "LocMemCache is the memory of one process, and what is written there is unknown to the Django behind"
        }
        (true, _) if around.debug || layers.values.boolean("allow_local", false) => {
            let note = "tickets are kept in this process's own memory: with a second process, or behind a load balancer, \
                        they will not be found";
            layers.notes.push(note.to_owned());
            return Ok(CacheBackend::InProcess);
        }
        (_, true) => "no cache is named, and Django's default is the memory of one process",
        (false, false) => {
            "Django issues the tickets into LocMemCache, its process's own memory, and no other process can redeem them"
        }
        (true, false) => "LocMemCache is the memory of one process, and DEBUG is off",
    };
    let code = if by_default { Code::CacheMissing } else { Code::LocalMemory };
    let or_local = if around.issues && !around.passes_on { "\nOr, for one process alone: --allow-local" } else { "" };
    Err(Problem::new(code, sentence).mend(format!(
        "In Django's settings, for both:\n\
         CACHES = {{\"default\": {{\"BACKEND\": \"django.core.cache.backends.redis.RedisCache\", \
         \"LOCATION\": \"redis://host:6379/0\"}}}}{or_local}"
    )))
}

fn key_pattern(layers: &mut Layers) -> Option<KeyPattern> {
    let values = &layers.values;
    let default = KeyPattern::default();
    let of_django = values.text("cache.key_function").is_some() || values.text("cache.kind").is_some();
    let pattern = match values.given("cache.key") {
        None if of_django => {
            let function = values.text("cache.key_function").unwrap_or("KEY_FUNCTION");
            let sentence = match values.text("cache.key_problem") {
                Some(problem) => {
                    format!("the cache makes its keys with {function}, which cannot be run here: {problem}")
                }
                None => format!("the cache makes its keys with {function}, and no pattern is known for it"),
            };
            let origin = values.origin("cache.key_function").clone();
            let mend = "[cache]\nkey = \"{prefix}:{version}:{key}\"        # what the function makes of its arguments";
            layers.problems.push(Problem::new(Code::KeyFunction, sentence).at(&origin).mend(mend));
            return None;
        }
        None => values.text_or("cache.key", &default.pattern),
        Some((value, _)) => value.as_str().unwrap_or_default().to_owned(),
    };
    if !pattern.contains("{key}") {
        let origin = values.origin("cache.key").clone();
        layers.problems.push(Problem::new(Code::BadValue, "`cache.key` has no {key} in it").at(&origin));
        return None;
    }
    Some(KeyPattern {
        pattern,
        prefix: values.text_or("cache.key_prefix", &default.prefix),
        version: match values.given("cache.version") {
            Some((Value::String(text), _)) => text.clone(),
            Some((Value::Number(number), _)) => number.to_string(),
            _ => values.text_or("cache.version", &default.version),
        },
    })
}
