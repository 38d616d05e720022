use std::time::Duration;

use crate::{
    channel_layer::{
        ChannelLayerOptions, Host, SerializerFormat, open,
        tests::contract::{self, Pair},
    },
    redis::RedisTls,
    secret::Secret,
    test_support::redis::{Redis, TlsRedis},
};

async fn holds_for(options: &ChannelLayerOptions) {
    let pair = Pair { one: open(options).unwrap(), other: open(options).unwrap() };
    for layer in [&pair.one, &pair.other] {
        while layer.round_trip().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    contract::holds_for(&pair).await;
    pair.one.close().await;
    pair.other.close().await;
}

/// The servers' addresses, in the suite's options.
fn options(servers: &[&Redis]) -> ChannelLayerOptions {
    let hosts = servers.iter().map(|server| Host::from(server.options())).collect();
    ChannelLayerOptions { hosts, ..contract::options() }
}

#[tokio::test]
async fn the_contract_holds_with_redis_and_nothing_is_left_in_it() {
    let redis = Redis::start(&[]);
    holds_for(&options(&[&redis])).await;
    assert_eq!(redis.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn the_contract_holds_with_json_encryption_and_no_lease() {
    let redis = Redis::start(&[]);
    holds_for(&ChannelLayerOptions {
        prefix: "ünï:".to_owned(),
        serializer_format: SerializerFormat::Json,
        symmetric_encryption_keys: vec![Secret::new("new"), Secret::new("old")],
        lease: None,
        ..options(&[&redis])
    })
    .await;
    assert_eq!(redis.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn the_contract_holds_with_three_hosts_and_four_queues() {
    let servers = [Redis::start(&[]), Redis::start(&[]), Redis::start(&[])];
    holds_for(&ChannelLayerOptions { queues: 4, ..options(&[&servers[0], &servers[1], &servers[2]]) }).await;
    for server in servers {
        assert_eq!(server.command(&["KEYS", "*"]), "");
    }
}

#[tokio::test]
async fn the_contract_holds_with_a_member_for_each_channel() {
    let redis = Redis::start(&[]);
    holds_for(&ChannelLayerOptions { member_per_channel: true, ..options(&[&redis]) }).await;
    assert_eq!(redis.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn the_contract_holds_over_tls() {
    let redis = TlsRedis::start("IP:127.0.0.1", &[]);
    let tls = RedisTls { ca_file: Some(redis.file("ca.pem")), ..RedisTls::default() };
    holds_for(&ChannelLayerOptions { hosts: vec![redis.options(tls).into()], ..contract::options() }).await;
}
