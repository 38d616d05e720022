use std::time::Duration;

use super::{in_queue, member, options, until};
use crate::{
    channel_layer::{
        ChannelLayerOptions,
        tests::{Mailbox, event},
    },
    test_support::redis::Redis,
};

#[tokio::test]
async fn a_process_is_one_member_of_a_group_and_tells_redis_of_its_first_and_last_channel() {
    let redis = Redis::start(&[]);
    let (here, sender) = (member(&options(&[&redis])).await, member(&options(&[&redis])).await);
    let mut monitor = redis.monitor();
    let mailboxes = (0..50).map(|_| Mailbox::new()).collect::<Vec<_>>();
    let mut channels = Vec::new();
    for mailbox in &mailboxes {
        let channel = here.new_channel(mailbox.clone()).await.unwrap();
        here.group_add("g", &channel.name()).await.unwrap();
        channels.push(channel);
    }
    assert_eq!(redis.command(&["ZCARD", "asgi:group:g"]), "1");
    sender.group_send("g", &event(1)).await.unwrap();
    for mailbox in &mailboxes {
        assert_eq!(mailbox.next().await, event(1));
    }
    drop(channels);
    until(|| redis.command(&["EXISTS", "asgi:group:g"]) == "0").await;
    redis.command(&["SET", "the", "end"]);
    let commands = monitor.until("\"the\" \"end\"");
    let about = |word: &str| commands.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((about("\"ZREM\""), here.counters().delivered), (1, 50));
    let joins = commands.iter().filter(|line| line.starts_with("\"EVAL\"") && line.contains("'TIME'")).count();
    assert_eq!(joins, 1);
    assert_eq!((here.counters().received, sender.counters().received), (1, 0));
}

#[tokio::test]
async fn the_score_of_a_membership_is_its_lease_by_redis_clock() {
    let redis = Redis::start(&[]);
    let here = member(&options(&[&redis])).await;
    let channel = here.new_channel(Mailbox::new()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    let scores = redis.command(&["ZRANGE", "asgi:group:g", "0", "-1", "WITHSCORES"]);
    let score: f64 = scores.lines().nth(1).unwrap().parse().unwrap();
    let now: f64 = redis.command(&["TIME"]).lines().next().unwrap().parse().unwrap();
    assert!((now - 86400.0 + 120.0 - score).abs() < 5.0, "{now} {score}");
    assert!(redis.command(&["TTL", "asgi:group:g"]).parse::<i64>().unwrap() > 86390);
}

#[tokio::test]
async fn a_dead_process_is_removed_by_anybodys_next_message_and_a_living_one_is_not() {
    let redis = Redis::start(&[]);
    let options = ChannelLayerOptions { lease: Some(Duration::from_secs(1)), ..options(&[&redis]) };
    let (here, dying, sender) = (member(&options).await, member(&options).await, member(&options).await);
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    let dead = dying.new_channel(Mailbox::new()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    dying.group_add("g", &dead.name()).await.unwrap();
    assert_eq!(redis.command(&["ZCARD", "asgi:group:g"]), "2");
    // As if it were killed: it says no more.
    drop(dying);
    tokio::time::sleep(Duration::from_millis(2200)).await;
    sender.group_send("g", &event(1)).await.unwrap();
    assert_eq!(mailbox.next().await, event(1));
    assert_eq!(redis.command(&["ZCARD", "asgi:group:g"]), "1");
}

#[tokio::test]
async fn without_a_lease_the_score_is_the_time_of_joining_and_is_renewed() {
    let redis = Redis::start(&[]);
    let options = ChannelLayerOptions { lease: None, group_expiry: Duration::from_secs(2), ..options(&[&redis]) };
    let (here, sender) = (member(&options).await, member(&options).await);
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    // By the same setting, Channels would drop the channel.
    tokio::time::sleep(Duration::from_secs(4)).await;
    sender.group_send("g", &event(1)).await.unwrap();
    assert_eq!(mailbox.next().await, event(1));
}

#[tokio::test]
async fn a_channel_that_django_adds_by_its_name_gets_every_message_once() {
    for queues in [1, 4] {
        added_by_name(queues).await;
    }
}

async fn added_by_name(queues: usize) {
    let redis = Redis::start(&[]);
    let options = ChannelLayerOptions { queues, ..options(&[&redis]) };
    let (here, sender) = (member(&options).await, member(&options).await);
    let (both, by_name) = (Mailbox::new(), Mailbox::new());
    let in_both_ways = here.new_channel(both.clone()).await.unwrap();
    let by_name_alone = here.new_channel(by_name.clone()).await.unwrap();
    here.group_add("g", &in_both_ways.name()).await.unwrap();
    let now = redis.command(&["TIME"]).lines().next().unwrap().to_owned();
    // Members of the group in each of the queues.
    let (others, mut more) = (Mailbox::new(), Vec::new());
    for channel in [&in_both_ways, &by_name_alone] {
        redis.command(&["ZADD", "asgi:group:g", &now, &channel.name()]);
    }
    for _ in 0..20 {
        let channel = here.new_channel(others.clone()).await.unwrap();
        here.group_add("g", &channel.name()).await.unwrap();
        redis.command(&["ZADD", "asgi:group:g", &now, &channel.name()]);
        more.push(channel);
    }
    for number in 0..3 {
        sender.group_send("g", &event(number)).await.unwrap();
    }
    for number in 0..3 {
        assert_eq!((both.next().await, by_name.next().await), (event(number), event(number)));
    }
    for _ in 0..60 {
        others.next().await;
    }
    here.round_trip().await.unwrap();
    assert_eq!((both.count(), by_name.count(), others.count()), (0, 0, 0));
    // And leaves for good, however it came.
    for channel in more {
        here.group_discard("g", &channel.name()).await.unwrap();
    }
    here.group_discard("g", &in_both_ways.name()).await.unwrap();
    assert_eq!(redis.command(&["ZRANGE", "asgi:group:g", "0", "-1"]), by_name_alone.name());
    sender.group_send("g", &event(3)).await.unwrap();
    assert_eq!((by_name.next().await, both.count()), (event(3), 0));
}

#[tokio::test]
async fn a_channel_of_another_process_can_be_added_and_discarded() {
    let redis = Redis::start(&[]);
    let (here, other) = (member(&options(&[&redis])).await, member(&options(&[&redis])).await);
    let mailbox = Mailbox::new();
    let channel = other.new_channel(mailbox.clone()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    here.group_send("g", &event(1)).await.unwrap();
    assert_eq!(mailbox.next().await, event(1));
    here.group_discard("g", &channel.name()).await.unwrap();
    assert_eq!(redis.command(&["EXISTS", "asgi:group:g"]), "0");
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
                // Whatever others do: who has joined is in the group.
                here.group_send("g", &event(1)).await.unwrap();
                mailbox.next().await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    until(|| redis.command(&["EXISTS", "asgi:group:g"]) == "0").await;
}

#[tokio::test]
async fn a_message_that_names_a_channel_and_its_group_is_one() {
    let redis = Redis::start(&[]);
    let here = member(&options(&[&redis])).await;
    let mailbox = Mailbox::new();
    let channel = here.new_channel(mailbox.clone()).await.unwrap();
    here.group_add("g", &channel.name()).await.unwrap();
    let group = redis.command(&["ZRANGE", "asgi:group:g", "0", "-1"]);
    let names = format!("[{group:?}, {:?}]", channel.name());
    redis.command(&["ZADD", &super::queue(&channel.name()), "1", &in_queue(1, &names)]);
    redis.command(&["ZADD", &super::queue(&channel.name()), "2", &in_queue(2, &format!("{:?}", channel.name()))]);
    assert_eq!((mailbox.next().await, mailbox.next().await), (event(1), event(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_channels_that_come_and_go_leave_nothing_in_redis() {
    let redis = Redis::start(&[]);
    let (here, sender) = (member(&options(&[&redis])).await, member(&options(&[&redis])).await);
    let mailbox = Mailbox::new();
    for round in 1..=2 {
        let mut channels = Vec::new();
        for number in 0..5000 {
            let channel = here.new_channel(mailbox.clone()).await.unwrap();
            here.group_add(&format!("g{}", number % 100), &channel.name()).await.unwrap();
            channels.push(channel);
        }
        for group in 0..100 {
            sender.group_send(&format!("g{group}"), &event(group)).await.unwrap();
        }
        until(|| mailbox.count() == 5000 * round).await;
        drop(channels);
        until(|| redis.command(&["KEYS", "*"]).is_empty()).await;
    }
    assert_eq!((here.counters().received, here.counters().unknown), (200, 0));
}
