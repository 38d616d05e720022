use std::path::PathBuf;

use super::{
    super::{TICKET_LIFETIME, Ticket, contract},
    cache, django, round_trip, store, text, unavailable,
};
use crate::{
    cache::{CacheBackend, Compressor, KeyPattern, Serializer},
    python::Value,
    redis::{RedisAddress, RedisOptions, RedisTls, RedisTopology},
    secret::Secret,
    test_support::redis::{Redis, TlsRedis, options},
    ticket::open,
};

fn django_redis(serializer: Serializer, compressor: Option<Compressor>) -> CacheBackend {
    CacheBackend::DjangoRedisPackage { redis: Redis::shared().options(), serializer, compressor }
}

fn text_key(ticket: Ticket) -> String {
    format!(":1:{}", ticket.expose())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_for_djangos_redis_cache() {
    contract::holds_for(store(django(Redis::shared().options()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_for_django_redis() {
    let pickle = Serializer::Pickle { protocol: 4 };
    contract::holds_for(store(django_redis(pickle, None))).await;
    contract::holds_for(store(django_redis(pickle, Some(Compressor::Zstd)))).await;
}

#[tokio::test]
async fn json_gives_a_uuid_back_as_text_and_msgpack_cannot_store_it() {
    let value = Value::Uuid(uuid::Uuid::from_u128(5));
    let json = store(django_redis(Serializer::Json, None));
    let ticket = Ticket::new();
    json.issue(ticket, &value, TICKET_LIFETIME).await.unwrap();
    let text = Value::Str("00000000-0000-0000-0000-000000000005".to_owned());
    assert_eq!(json.redeem(ticket).await.unwrap(), Some(text));
    let refused =
        store(django_redis(Serializer::MsgPack, None)).issue(ticket, &value, TICKET_LIFETIME).await.unwrap_err();
    assert_eq!(refused.to_string(), "the cache's serializer cannot store a UUID");
}

/// What goes over the wire while a ticket is issued and redeemed, as `MONITOR` shows it.
async fn commands(backend: fn(RedisOptions) -> CacheBackend) -> Vec<String> {
    let redis = Redis::start(&[]);
    let store = store(backend(redis.options()));
    let mut monitor = redis.monitor();
    let ticket = Ticket::parse("0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b").unwrap();
    store.issue(ticket, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
    assert_eq!(redis.command(&["TTL", &text_key(ticket)]), "600");
    store.redeem(ticket).await.unwrap();
    monitor.until("GETDEL").into_iter().filter(|line| !line.starts_with("\"TTL\"")).collect()
}

#[tokio::test]
async fn the_commands_are_pythons_but_for_getdel() {
    let key = ":1:0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b";
    let getdel = format!("\"GETDEL\" \"{key}\"");
    let expected = ["\"HELLO\" \"3\"".to_owned(), format!("\"SET\" \"{key}\" \"1\" \"EX\" \"600\""), getdel.clone()];
    assert_eq!(commands(django).await, expected);
    let expected = ["\"HELLO\" \"3\"".to_owned(), format!("\"SET\" \"{key}\" \"1\" \"PX\" \"600000\""), getdel];
    let django_redis = |redis| CacheBackend::DjangoRedisPackage {
        redis,
        serializer: Serializer::Pickle { protocol: 4 },
        compressor: None,
    };
    assert_eq!(commands(django_redis).await, expected);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_no_user_and_is_gone() {
    for redis in [Redis::start(&[]), Redis::start(&["--rename-command", "GETDEL", ""])] {
        let store = store(django(redis.options()));
        for write in [["SET", "no pickle"], ["LPUSH", "a list"]] {
            let ticket = Ticket::new();
            redis.command(&[write[0], &text_key(ticket), write[1]]);
            assert_eq!(store.redeem(ticket).await.unwrap(), None);
            assert_eq!(redis.command(&["EXISTS", &text_key(ticket)]), "0");
        }
    }
}

#[tokio::test]
async fn key_prefix_version_and_database_are_the_projects() {
    let redis = Redis::shared();
    let mut options = cache(django(RedisOptions { database: 5, ..redis.options() }));
    options.key = KeyPattern { prefix: "p".to_owned(), version: "v2".to_owned(), ..KeyPattern::default() };
    let ticket = Ticket::new();
    open(&options).unwrap().issue(ticket, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
    assert_eq!(redis.command(&["-n", "5", "GET", &format!("p:v2:{}", ticket.expose())]), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_a_unix_socket() {
    let socket = RedisAddress::Unix(PathBuf::from(Redis::shared().socket()));
    contract::holds_for(store(django(options(RedisTopology::Single(socket))))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_tls() {
    let redis = TlsRedis::start("IP:127.0.0.1", &[]);
    let tls = RedisTls { ca_file: Some(redis.file("ca.pem")), ..RedisTls::default() };
    contract::holds_for(store(django(redis.options(tls)))).await;
}

#[tokio::test]
async fn a_certificate_is_checked_as_far_as_the_settings_say() {
    let redis = TlsRedis::start("DNS:elsewhere", &[]);
    let authority = Some(redis.file("ca.pem"));
    let try_with = async |tls: RedisTls| round_trip(&*store(django(redis.options(tls)))).await;

    let unknown = unavailable(try_with(RedisTls::default()).await);
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    let other_name = RedisTls { ca_file: authority.clone(), ..RedisTls::default() };
    let wrong = unavailable(try_with(other_name.clone()).await);
    assert!(wrong.contains("not valid for name"), "{wrong}");
    try_with(RedisTls { accept_any_name: true, ..other_name }).await.unwrap();
    let unknown = unavailable(try_with(RedisTls { accept_any_name: true, ..RedisTls::default() }).await);
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    try_with(RedisTls { accept_any_certificate: true, ..RedisTls::default() }).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_if_it_is_the_one_in_the_settings() {
    let (redis, other) = (TlsRedis::self_signed("IP:127.0.0.1"), TlsRedis::self_signed("DNS:elsewhere"));
    let try_with = async |redis: &TlsRedis, file, accept_any_name| {
        let tls = RedisTls { ca_file: Some(file), accept_any_name, ..RedisTls::default() };
        round_trip(&*store(django(redis.options(tls)))).await
    };
    try_with(&redis, redis.file("ca.pem"), false).await.unwrap();
    unavailable(try_with(&redis, other.file("ca.pem"), false).await);
    let wrong = unavailable(try_with(&other, other.file("ca.pem"), false).await);
    assert!(wrong.contains("not valid for name"), "{wrong}");
    try_with(&other, other.file("ca.pem"), true).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_server_wants_one() {
    let redis = TlsRedis::start("IP:127.0.0.1", &["--tls-auth-clients", "yes"]);
    let without = RedisTls { ca_file: Some(redis.file("ca.pem")), ..RedisTls::default() };
    unavailable(round_trip(&*store(django(redis.options(without.clone())))).await);
    let with = RedisTls {
        certificate_file: Some(redis.file("client.pem")),
        key_file: Some(redis.file("client.key")),
        ..without
    };
    round_trip(&*store(django(redis.options(with)))).await.unwrap();
}

#[tokio::test]
async fn a_tls_file_that_cannot_be_read_is_named_at_start() {
    let tls = RedisTls { ca_file: Some("/nowhere/ca.pem".into()), ..RedisTls::default() };
    let address = RedisAddress::Tcp { host: "localhost".to_owned(), port: 1, tls: Some(tls) };
    let error = open(&cache(django(options(RedisTopology::Single(address))))).err().unwrap();
    assert!(text(&error).contains("/nowhere/ca.pem"), "{}", text(&error));
}

#[tokio::test]
async fn logins_are_by_password_or_by_name_and_password() {
    let redis = Redis::start(&["--requirepass", "s3cret", "--user", "alice", "on", ">p4ss", "~*", "+@all"]);
    let login = |username: Option<&str>, password: Option<&str>| RedisOptions {
        username: username.map(str::to_owned),
        password: password.map(Secret::new),
        database: 3,
        ..redis.options()
    };
    round_trip(&*store(django(login(None, Some("s3cret"))))).await.unwrap();
    round_trip(&*store(django(login(Some("alice"), Some("p4ss"))))).await.unwrap();
    for refused in [login(None, None), login(None, Some("wr0ng")), login(Some("alice"), Some("wr0ng"))] {
        let text = unavailable(round_trip(&*store(django(refused))).await);
        assert!(text.contains("the login was refused"), "{text}");
        assert!(text.contains(&format!("127.0.0.1:{}", redis.port())), "{text}");
        assert!(!text.contains("wr0ng"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_getdel_or_hello_is_asked_in_a_transaction() {
    // As before 6.0: neither command is known.
    let redis = Redis::start(&["--rename-command", "GETDEL", "", "--rename-command", "HELLO", ""]);
    contract::holds_for(store(django(redis.options()))).await;
    let statistics = redis.command(&["INFO", "commandstats"]);
    assert!(statistics.contains("cmdstat_exec:"), "{statistics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_send_only_djangos_commands_is_enough() {
    let redis = Redis::start(&["--user", "django", "on", ">p4ss", "~*", "-@all", "+get", "+set", "+del", "+ping"]);
    let login =
        RedisOptions { username: Some("django".to_owned()), password: Some(Secret::new("p4ss")), ..redis.options() };
    contract::holds_for(store(django(login))).await;
}

#[tokio::test]
async fn errors_do_not_repeat_the_command() {
    let redis = Redis::start(&["--rename-command", "SET", ""]);
    let store = store(django(redis.options()));
    let text = unavailable(store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await);
    assert!(text.ends_with("it refused the command SET (ERR)"), "{text}");
}
