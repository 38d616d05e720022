//! From the file and variables alone: Django's, SimpleJWT's and Channels' defaults.

use super::{
    super::{TicketViewState, render},
    ENOUGH, Given, problems, toml,
};
use crate::{
    access_token::AccessTokenOptions,
    cache::{CacheBackend, Compressor, Serializer},
    database::DatabaseServer,
    http::Middleware,
    redis::RedisTopology,
};

#[test]
fn the_defaults_are_those_of_a_new_project() {
    let report = toml(ENOUGH);
    assert_eq!(problems(&report), "");
    assert_eq!(report.ticket_view, TicketViewState::Served);
    let settings = report.settings.unwrap();
    assert_eq!(settings.server.bind, "127.0.0.1:8001");
    assert_eq!(settings.http.views[0].pattern, "^api/auth/auth_for_ws_connection/\\Z");
    assert_eq!(settings.http.middleware.first(), Some(&Middleware::Security));
    assert!(settings.http.append_slash);
    let default = AccessTokenOptions::default();
    assert_eq!(settings.access_token.auth_header_types, default.auth_header_types);
    assert_eq!(settings.access_token.token_type_claim, default.token_type_claim);
    let settings = settings.admission.unwrap();
    assert_eq!(settings.cache.key.pattern, "{prefix}:{version}:{key}");
    assert!(matches!(settings.cache.backend, CacheBackend::DjangoRedis { pickle_protocol: 5, .. }));
    assert_eq!(
        settings.user.by_id.sql,
        "SELECT \"auth_user\".\"id\", \"auth_user\".\"password\", \"auth_user\".\"is_active\", \"auth_user\".\"username\" \
         FROM \"auth_user\" WHERE \"auth_user\".\"id\" = %s LIMIT 21"
    );
}

#[test]
fn without_a_key_tickets_are_still_redeemed() {
    let report = toml(&ENOUGH.replace("secret_key", "time_zone"));
    assert_eq!(problems(&report), "");
    let TicketViewState::LeftToDjango(reasons) = report.ticket_view else {
        panic!("served without a key");
    };
    assert_eq!(reasons, ["no key is known to check access tokens with"]);
}

#[test]
fn without_a_project_the_view_is_not_said_to_be_left_to_it() {
    let report = toml(&ENOUGH.replace("allowed_hosts = [\"example.com\"]", ""));
    assert_eq!(problems(&report), "");
    let shown = render(&report);
    assert!(shown.contains("# The ticket view is not served here.\n# ALLOWED_HOSTS is empty"), "{shown}");
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let environment = [("SLUICEGATE_CACHE_URL", "redis://from-variable/2"), ("SLUICEGATE__CACHE__KEY_PREFIX", "p")];
    let report = Given { toml: Some(ENOUGH), environment: &environment, ..Given::default() }.read();
    let settings = report.settings.unwrap().admission.unwrap();
    assert_eq!(settings.cache.key.prefix, "p");
    let CacheBackend::DjangoRedis { redis, .. } = settings.cache.backend else {
        panic!("another cache");
    };
    assert_eq!(redis.database, 2);
}

#[test]
fn django_redis_and_sentinels_are_named_in_the_file() {
    let cache = "[cache]\nbackend = \"django_redis.cache.RedisCache\"\nsentinels = [\"a:1\", \"b\"]\nservice_name = \"m\"\n\
                 db = 4\nserializer = \"json\"\ncompressor = \"zlib\"\n";
    let text = ENOUGH.replace("[cache]\nlocation = \"redis://:cache-password@cache.internal:6379/1\"\n", cache);
    let report = toml(&text);
    assert_eq!(problems(&report), "");
    let CacheBackend::DjangoRedisPackage { redis, serializer, compressor } =
        report.settings.unwrap().admission.unwrap().cache.backend
    else {
        panic!("another cache");
    };
    assert_eq!((serializer, compressor, redis.database), (Serializer::Json, Some(Compressor::Zlib), 4));
    assert!(
        matches!(redis.topology, RedisTopology::Sentinel { sentinels, service, .. } if sentinels.len() == 2 && service == "m")
    );
}

#[test]
fn the_cache_may_be_a_table_of_the_database() {
    let cache = "[cache]\nbackend = \"django.core.cache.backends.db.DatabaseCache\"\nlocation = \"tickets\"\n";
    let text = ENOUGH.replace("[cache]\nlocation = \"redis://:cache-password@cache.internal:6379/1\"\n", cache);
    let CacheBackend::Database { database, table, max_entries: 300, cull_frequency: 3, time_zone: None } =
        toml(&text).settings.unwrap().admission.unwrap().cache.backend
    else {
        panic!("another cache");
    };
    assert_eq!(table, "tickets");
    assert!(matches!(database.server, DatabaseServer::Postgres { .. }));
}

#[test]
fn no_cache_is_a_problem_unless_local_memory_is_asked_for() {
    let text = ENOUGH.replace("[cache]\nlocation = \"redis://:cache-password@cache.internal:6379/1\"\n", "");
    assert!(problems(&toml(&text)).starts_with("E040: "));
    let report = Given { toml: Some(&text), allow_local: true, ..Given::default() }.read();
    assert_eq!(problems(&report), "");
    assert!(matches!(report.settings.unwrap().admission.unwrap().cache.backend, CacheBackend::InProcess));
}
