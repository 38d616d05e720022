use std::time::Duration;

use super::{options, pair};
use crate::{
    channel_layer::{
        ChannelLayerError, ChannelLayerOptions, Host, SerializerFormat,
        tests::{Mailbox, contract, event},
    },
    redis::RedisTls,
    secret::Secret,
    test_support::redis::{Redis, TlsRedis},
};

#[tokio::test]
async fn the_contract_holds_with_pubsub_and_nothing_stays_subscribed() {
    let redis = Redis::start(&[]);
    let pair = pair(&options(&[&redis])).await;
    contract::holds_for(&pair).await;
    while !redis.command(&["PUBSUB", "CHANNELS"]).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(redis.command(&["PUBSUB", "NUMPAT"]), "2");
    drop(pair);
    while redis.command(&["PUBSUB", "NUMPAT"]) != "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_contract_holds_with_json_encryption_and_odd_prefixes() {
    let redis = Redis::start(&[]);
    let options = ChannelLayerOptions {
        prefix: "ü*[a]?\\:".to_owned(),
        serializer_format: SerializerFormat::Json,
        symmetric_encryption_keys: vec![Secret::new("new"), Secret::new("old")],
        ..options(&[&redis])
    };
    contract::holds_for(&pair(&options).await).await;
}

#[tokio::test]
async fn the_contract_holds_with_three_hosts() {
    let servers = [Redis::start(&[]), Redis::start(&[]), Redis::start(&[])];
    contract::holds_for(&pair(&options(&[&servers[0], &servers[1], &servers[2]])).await).await;
}

#[tokio::test]
async fn the_contract_holds_with_a_subscription_for_each_channel() {
    let redis = Redis::start(&[]);
    let pair = pair(&ChannelLayerOptions { member_per_channel: true, ..options(&[&redis]) }).await;
    contract::holds_for(&pair).await;
    assert_eq!(redis.command(&["PUBSUB", "NUMPAT"]), "0");
    // What remains is each layer's own probe.
    while redis.command(&["PUBSUB", "CHANNELS"]).lines().count() != 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_contract_holds_over_tls_with_a_password() {
    let redis = TlsRedis::start("IP:127.0.0.1", &["--requirepass", "s3cret"]);
    let tls = RedisTls { ca_file: Some(redis.file("ca.pem")), ..RedisTls::default() };
    let host = Host::from(redis.options(tls)).with_password(Secret::new("s3cret"));
    contract::holds_for(&pair(&ChannelLayerOptions { hosts: vec![host], ..options(&[]) }).await).await;
}

#[tokio::test]
async fn only_channels_of_this_process_can_join_a_group() {
    let redis = Redis::start(&[]);
    let pair = pair(&options(&[&redis])).await;
    let others = pair.other.new_channel(Mailbox::new()).await.unwrap();
    for name in [&*others.name(), "plain", ""] {
        let answer = pair.one.group_add("g", name).await;
        assert!(matches!(answer, Err(ChannelLayerError::NotInProcess)), "{name}");
    }
    // And names are not looked at, as in Channels.
    pair.one.group_send("a group with spaces", &event(1)).await.unwrap();
}
