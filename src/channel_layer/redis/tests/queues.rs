use super::{in_queue, member, options, queue, until};
use crate::{
    channel_layer::{
        ChannelLayerError, ChannelLayerOptions, ChannelPattern,
        tests::{Mailbox, event},
    },
    secret::Secret,
    test_support::redis::Redis,
};

#[tokio::test]
async fn a_message_arrives_over_any_host_since_python_sends_by_the_whole_name() {
    let servers = [Redis::start(&[]), Redis::start(&[]), Redis::start(&[])];
    let here = member(&options(&[&servers[0], &servers[1], &servers[2]])).await;
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    for (number, server) in servers.iter().enumerate() {
        let message = in_queue(number, &format!("{:?}", channel.name()));
        server.command(&["ZADD", &queue(&channel.name()), "1", &message]);
        assert_eq!(mailbox.next().await, event(i64::try_from(number).unwrap()));
    }
}

#[tokio::test]
async fn a_full_queue_is_an_error_for_one_and_a_number_for_a_group() {
    let redis = Redis::start(&[]);
    let here = member(&ChannelLayerOptions {
        capacity: 3,
        channel_capacity: vec![(ChannelPattern::Glob("http.*".to_owned()), 1)],
        ..options(&[&redis])
    })
    .await;
    for number in 0..3 {
        here.send("plain", &event(number)).await.unwrap();
    }
    assert!(matches!(here.send("plain", &event(3)).await, Err(ChannelLayerError::ChannelFull)));
    for channel in ["plain", "http.request", "specific.0!1", "specific.0!2"] {
        here.group_add("g", channel).await.unwrap();
    }
    for number in 0..2 {
        here.group_send("g", &event(number)).await.unwrap();
    }
    assert_eq!(here.counters().over_capacity, 1 + 2 + 1);
    assert_eq!(redis.command(&["ZCARD", "asgispecific.0!"]), "2");
}

#[tokio::test]
async fn several_queues_have_a_capacity_each() {
    let redis = Redis::start(&[]);
    let here = member(&ChannelLayerOptions { queues: 4, ..options(&[&redis]) }).await;
    let mut queues = std::collections::HashSet::new();
    for number in 0..100 {
        let mailbox = Mailbox::new();
        let channel = here.new_channel(mailbox.clone()).await.unwrap();
        queues.insert(queue(&channel.name()));
        here.send(&channel.name(), &event(number)).await.unwrap();
        assert_eq!(mailbox.next().await, event(number));
    }
    assert_eq!(queues.len(), 4);
}

#[tokio::test]
async fn what_cannot_be_delivered_is_counted() {
    let redis = Redis::start(&[]);
    let here =
        member(&ChannelLayerOptions { symmetric_encryption_keys: vec![Secret::new("k")], ..options(&[&redis]) }).await;
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    let name = channel.name();
    let queue = queue(&name);
    // A score that the next sender does not find too old.
    redis.command(&["ZADD", &queue, "9999999999", "000000000000 in plain text"]);
    drop(channel);
    here.send(&name, &event(1)).await.unwrap();
    until(|| here.counters().unknown == 1).await;
    let counters = here.counters();
    assert_eq!((counters.undecodable, counters.received, counters.delivered, mailbox.count()), (1, 1, 0, 0));
}

#[tokio::test]
async fn names_and_messages_that_channels_refuses_are_refused() {
    let redis = Redis::shared();
    let here = member(&options(&[redis])).await;
    let reserved = crate::channel_layer::Value::map([("__asgi_channel__", "x".into())]);
    assert!(matches!(here.send("a", &reserved).await, Err(ChannelLayerError::ReservedKey)));
    for result in [
        here.send("a b", &event(1)).await,
        here.group_send("a!b", &event(1)).await,
        here.group_add("a b", "a").await,
        here.group_add("a", "a b").await,
        here.group_discard("a b", "a").await,
    ] {
        assert!(matches!(result, Err(ChannelLayerError::InvalidName { .. })));
    }
    let bytes = crate::channel_layer::Value::map([("b", crate::channel_layer::Value::Bytes(vec![1]))]);
    let error = here.send("a", &bytes).await.unwrap_err();
    assert_eq!(error.to_string(), "the channel layer's serializer cannot write bytes as JSON");
}
