use std::time::Duration;

use super::{member, options, up};
use crate::{
    channel_layer::{
        ChannelLayerError, ChannelLayerOptions,
        tests::{Mailbox, Proxy, event},
    },
    redis::RedisTopology,
    test_support::redis::{self, Redis, Sentinel, by_sentinel},
};

#[tokio::test]
async fn a_redis_that_was_restarted_has_all_subscriptions_again_before_the_layer_is_up() {
    for member_per_channel in [false, true] {
        let mut redis = Redis::start(&[]);
        let quick = ChannelLayerOptions { timeout: Duration::from_secs(1), ..options(&[&redis]) };
        let here = member(&ChannelLayerOptions { member_per_channel, ..quick.clone() }).await;
        let sender = member(&quick).await;
        let mailbox = Mailbox::new();
        let channel = here.new_channel(mailbox.clone()).await.unwrap();
        for number in 0..600 {
            here.group_add(&format!("g{number}"), &channel.name()).await.unwrap();
        }
        redis.kill();
        assert!(here.round_trip().await.is_err());
        let answer = here.group_add("late", &channel.name()).await;
        assert!(matches!(answer, Err(ChannelLayerError::Unavailable(_))), "{answer:?}");
        redis.restart();
        up(&*here).await;
        up(&*sender).await;
        assert_eq!(redis.command(&["PUBSUB", "CHANNELS", "*__group__*"]).lines().count(), 600);
        sender.group_send("g0", &event(1)).await.unwrap();
        assert_eq!(mailbox.next().await, event(1));
        sender.group_send("g599", &event(2)).await.unwrap();
        assert_eq!(mailbox.next().await, event(2));
        sender.send(&channel.name(), &event(3)).await.unwrap();
        assert_eq!((mailbox.next().await, mailbox.count()), (event(3), 0));
        assert_eq!(here.counters().outages, 1);
    }
}

#[tokio::test]
async fn a_subscribed_connection_that_died_in_silence_is_found_and_replaced() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::start(redis.port()).await;
    let way = redis::options(RedisTopology::Single(redis::tcp(proxy.port(), None)));
    let quick = ChannelLayerOptions {
        timeout: Duration::from_secs(1),
        watch_interval: Duration::from_millis(100),
        hosts: vec![way.into()],
        ..options(&[])
    };
    let (here, sender) = (member(&quick).await, member(&options(&[&redis])).await);
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    proxy.freeze();
    while here.counters().outages == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    up(&*here).await;
    sender.group_send("g", &event(1)).await.unwrap();
    assert_eq!((mailbox.next().await, mailbox.count()), (event(1), 0));
}

#[tokio::test]
async fn a_replica_takes_over_and_groups_go_on() {
    let primary = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let sentinel = Sentinel::start(&primary, "");
    sentinel.wait_for_replica();
    let hosts = vec![by_sentinel(vec![sentinel.address()]).into()];
    let layer = member(&ChannelLayerOptions { hosts, timeout: Duration::from_secs(1), ..options(&[]) }).await;
    let mailbox = Mailbox::new();
    let channel = layer.new_channel(mailbox.clone()).await.unwrap();
    layer.group_add("g", &channel.name()).await.unwrap();
    primary.kill();
    tokio::time::sleep(Duration::from_millis(100)).await;
    up(&*layer).await;
    layer.group_send("g", &event(1)).await.unwrap();
    assert_eq!((mailbox.next().await, mailbox.count()), (event(1), 0));
    assert_eq!(replica.command(&["ROLE"]).lines().next(), Some("master"));
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_and_leaving_at_once_ends_as_it_is_here() {
    let redis = Redis::start(&[]);
    let here = member(&options(&[&redis])).await;
    let tasks = (0..20).map(|_| {
        let here = here.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let mailbox = Mailbox::new();
                let channel = here.new_channel(mailbox.clone()).await.unwrap();
                here.group_add("g", &channel.name()).await.unwrap();
                here.group_send("g", &event(1)).await.unwrap();
                mailbox.next().await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    while !redis.command(&["PUBSUB", "CHANNELS"]).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
