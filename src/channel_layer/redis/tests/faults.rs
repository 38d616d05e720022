use std::{sync::Arc, time::Duration};

use super::{in_queue, member, options, queue, until, up};
use crate::{
    channel_layer::{
        ChannelLayer, ChannelLayerError, ChannelLayerOptions,
        tests::{Mailbox, Proxy, event},
    },
    redis::RedisTopology,
    test_support::redis::{self, Redis},
};

/// Options that give up early, but not where the machine is busy.
fn quick(servers: &[&Redis]) -> ChannelLayerOptions {
    ChannelLayerOptions { timeout: Duration::from_secs(1), watch_interval: Duration::from_hours(1), ..options(servers) }
}

fn through(proxy: &Proxy, redis: &Redis) -> ChannelLayerOptions {
    let way = redis::options(RedisTopology::Single(redis::tcp(proxy.port(), None)));
    ChannelLayerOptions { hosts: vec![way.into()], ..quick(&[redis]) }
}

/// Sends to the group until it answers, and until the mailbox has that very message.
async fn arrives(sender: &dyn ChannelLayer, group: &str, mailbox: &Mailbox, number: i64) {
    while sender.group_send(group, &event(number)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(mailbox.next().await, event(number));
}

#[tokio::test]
async fn a_redis_that_lost_everything_has_all_memberships_again_before_the_layer_is_up() {
    let mut redis = Redis::start(&[]);
    let (here, sender) = (member(&quick(&[&redis])).await, member(&quick(&[&redis])).await);
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    for number in 0..600 {
        here.group_add(&format!("g{number}"), &channel.name()).await.unwrap();
    }
    redis.kill();
    assert!(here.round_trip().await.is_err());
    let answer = here.group_add("late", &channel.name()).await;
    assert!(matches!(answer, Err(ChannelLayerError::Unavailable(_))));
    redis.restart();
    up(&*here).await;
    assert_eq!(redis.command(&["KEYS", "asgi:group:*"]).lines().count(), 600);
    arrives(&*sender, "g0", &mailbox, 1).await;
    arrives(&*sender, "g599", &mailbox, 2).await;
    assert_eq!((mailbox.count(), here.counters().outages), (0, 1));
}

#[tokio::test]
async fn a_redis_that_was_emptied_has_all_memberships_again_within_a_third_of_the_lease() {
    let redis = Redis::start(&[]);
    let lease = Some(Duration::from_secs(3));
    let here = member(&ChannelLayerOptions { lease, ..options(&[&redis]) }).await;
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    redis.command(&["FLUSHALL"]);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    here.group_send("g", &event(1)).await.unwrap();
    assert_eq!(mailbox.next().await, event(1));
}

#[tokio::test]
async fn a_redis_that_stands_still_delivers_when_it_goes_on_and_hears_of_departures() {
    let redis = Redis::start(&[]);
    let (here, sender) = (member(&quick(&[&redis])).await, member(&quick(&[&redis])).await);
    let (mailbox, leaving) = (Mailbox::new(), Mailbox::new());
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    let gone = here.new_channel(leaving).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    here.group_add("left", &gone.name()).await.unwrap();
    redis.pause();
    drop(gone);
    assert!(here.round_trip().await.is_err());
    tokio::time::sleep(Duration::from_millis(500)).await;
    redis.resume();
    arrives(&*sender, "g", &mailbox, 1).await;
    until(|| redis.command(&["KEYS", "asgi:group:*"]) == "asgi:group:g").await;
}

#[tokio::test]
async fn a_connection_that_died_in_silence_is_found_and_replaced() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::start(redis.port()).await;
    let watched = ChannelLayerOptions { watch_interval: Duration::from_millis(100), ..through(&proxy, &redis) };
    let (here, sender) = (member(&watched).await, member(&options(&[&redis])).await);
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    proxy.freeze();
    until(|| here.counters().outages > 0).await;
    up(&*here).await;
    arrives(&*sender, "g", &mailbox, 1).await;
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_arrives_once_and_in_order() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::start(redis.port()).await;
    // The answer to a batch is lost; then the connection before the next batch, when the first has been handled.
    for (after, is_executed) in [(0, true), (1, false), (1, true)] {
        let here = member(&through(&proxy, &redis)).await;
        let mailbox = Mailbox::new();
        let channel = here.new_channel(mailbox.clone()).await.unwrap();
        // It waits for messages, and has nothing else to take.
        until(|| redis.command(&["INFO", "clients"]).contains("blocked_clients:1")).await;
        proxy.cut("ZPOPMIN", after, is_executed);
        let mut add = vec!["ZADD".to_owned(), queue(&channel.name())];
        for number in 0..200 {
            add.extend([number.to_string(), in_queue(number, &format!("{:?}", channel.name()))]);
        }
        redis.command(&add.iter().map(String::as_str).collect::<Vec<_>>());
        for number in 0..200 {
            assert_eq!(mailbox.next().await, event(number));
        }
        up(&*here).await;
        let counters = here.counters();
        let repeated = if is_executed { 0 } else { 64 };
        let expected = (0, 200, 1, repeated);
        assert_eq!((mailbox.count(), counters.delivered, counters.outages, counters.repeated), expected);
        here.close().await;
        until(|| redis.command(&["INFO", "clients"]).contains("blocked_clients:0")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_repeat_nothing_and_turn_no_order() {
    let redis = Redis::start(&[]);
    let layers = [member(&options(&[&redis])).await, member(&options(&[&redis])).await];
    let sender = member(&options(&[&redis])).await;
    let mut members = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        for number in 0..100 {
            let mailbox = Mailbox::new();
            let channel = layer.new_channel(mailbox.clone()).await.unwrap();
            layer.group_add(&format!("g{}", (number + index) % 10), &channel.name()).await.unwrap();
            members.push((mailbox, channel));
        }
    }
    for number in 0..300 {
        if number % 100 == 50 {
            redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        for group in 0..10 {
            let _ = sender.group_send(&format!("g{group}"), &event(number)).await;
        }
    }
    for layer in layers.iter().chain([&sender]) {
        up(&**layer).await;
    }
    // What is sent from now on arrives.
    for group in 0..10 {
        sender.group_send(&format!("g{group}"), &event(1000)).await.unwrap();
    }
    for (mailbox, _) in &members {
        let mut numbers = Vec::new();
        while numbers.last() != Some(&1000) {
            numbers.push(mailbox.next().await.get("number").unwrap().as_i64().unwrap());
        }
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        // Three times a kill may take the one message that was popped for a connection, and the one that was sent.
        assert!(numbers.len() >= 301 - 6, "{}", numbers.len());
        assert_eq!(mailbox.count(), 0);
    }
}

#[tokio::test]
async fn a_layer_without_redis_says_so_at_once_and_by_name() {
    let port = crate::test_support::free_port();
    let nowhere = redis::options(RedisTopology::Single(redis::tcp(port, None)));
    let options = ChannelLayerOptions { hosts: vec![nowhere.into()], ..ChannelLayerOptions::default() };
    let layer = crate::channel_layer::open(&options).unwrap();
    let channel = layer.new_channel(Mailbox::new()).await.unwrap();
    let errors = [
        layer.send(&channel.name(), &event(1)).await,
        layer.group_send("g", &event(1)).await,
        layer.group_add("g", &channel.name()).await,
        layer.round_trip().await,
    ];
    for error in errors {
        let error = Arc::new(error.unwrap_err());
        let text = crate::causes::with_causes(&*error);
        assert!(text.starts_with("the channel layer did not answer: "), "{text}");
        assert!(text.contains(&format!("Redis at 127.0.0.1:{port}: cannot connect")), "{text}");
    }
}
