//! What every layer does, whatever carries it.

use std::{sync::Arc, time::Duration};

use super::{
    super::{ChannelLayer, ChannelLayerError, ChannelLayerOptions, Value},
    Mailbox, event,
};

/// Two members of one layer: two processes, or one with itself where there can be no other.
pub(in super::super) struct Pair {
    pub(in super::super) one: Arc<dyn ChannelLayer>,
    pub(in super::super) other: Arc<dyn ChannelLayer>,
}

/// What the suite needs of a layer's options.
pub(in super::super) fn options() -> ChannelLayerOptions {
    ChannelLayerOptions { capacity: 1000, ..ChannelLayerOptions::default() }
}

/// Runs the whole suite.
pub(in super::super) async fn holds_for(pair: &Pair) {
    pair.one.round_trip().await.unwrap();
    pair.other.round_trip().await.unwrap();
    a_message_to_a_channel_arrives_once_there_alone(pair).await;
    a_message_to_a_group_arrives_once_at_each_member(pair).await;
    messages_of_one_sender_arrive_in_order(pair).await;
    every_type_arrives_as_it_was_sent(pair).await;
    who_left_gets_no_more(pair).await;
    a_closed_channel_is_in_no_group(pair).await;
    joining_twice_is_joining_once(pair).await;
    groups_are_told_with_their_members(pair).await;
    a_group_without_members_is_sent_to_in_vain(pair).await;
    what_channels_refuses_is_refused(pair).await;
}

/// Sends to a channel of its own behind everything else, and waits for it: then nothing more is on its way.
async fn settle(pair: &Pair) {
    for layer in [&pair.one, &pair.other] {
        let mailbox = Mailbox::new();
        let channel = layer.new_channel(mailbox.clone()).await.unwrap();
        for sender in [&pair.one, &pair.other] {
            sender.send(&channel.name(), &event(0)).await.unwrap();
            mailbox.next().await;
        }
    }
    // Several hosts have no order among each other.
    tokio::time::sleep(Duration::from_millis(30)).await;
}

async fn groups_are_told_with_their_members(pair: &Pair) {
    let (one, other) = (Mailbox::new(), Mailbox::new());
    let channels =
        [pair.one.new_channel(one.clone()).await.unwrap(), pair.one.new_channel(other.clone()).await.unwrap()];
    for (group, channel) in [("told-2", 0), ("told-2", 1), ("told-1", 1)] {
        pair.one.group_add(group, &channels[channel].name()).await.unwrap();
    }
    let told = |layer: &dyn ChannelLayer| {
        let groups = layer.groups(usize::MAX).largest;
        groups.into_iter().filter(|(name, _)| name.starts_with("told-")).collect::<Vec<_>>()
    };
    assert_eq!(told(pair.one.as_ref()), [("told-2".to_owned(), 2), ("told-1".to_owned(), 1)]);
    drop(channels);
    assert_eq!(told(pair.one.as_ref()), []);
}

async fn a_message_to_a_channel_arrives_once_there_alone(pair: &Pair) {
    let (here, there, beside) = (Mailbox::new(), Mailbox::new(), Mailbox::new());
    let own = pair.one.new_channel(here.clone()).await.unwrap();
    let others = pair.other.new_channel(there.clone()).await.unwrap();
    let _beside = pair.one.new_channel(beside.clone()).await.unwrap();
    pair.one.send(&own.name(), &event(1)).await.unwrap();
    pair.one.send(&others.name(), &event(2)).await.unwrap();
    assert_eq!((here.next().await, there.next().await), (event(1), event(2)));
    settle(pair).await;
    assert_eq!((here.count(), there.count(), beside.count()), (0, 0, 0));
}

async fn a_message_to_a_group_arrives_once_at_each_member(pair: &Pair) {
    let mailboxes = (0..6).map(|_| Mailbox::new()).collect::<Vec<_>>();
    let mut channels = Vec::new();
    for (index, mailbox) in mailboxes.iter().enumerate() {
        let layer = if index % 2 == 0 { &pair.one } else { &pair.other };
        let channel = layer.new_channel(mailbox.clone()).await.unwrap();
        layer.group_add("contract", &channel.name()).await.unwrap();
        channels.push(channel);
    }
    pair.one.group_send("contract", &event(1)).await.unwrap();
    pair.other.group_send("contract", &event(2)).await.unwrap();
    for mailbox in &mailboxes {
        let (one, other) = (mailbox.next().await, mailbox.next().await);
        assert!([&one, &other].contains(&&event(1)) && [&one, &other].contains(&&event(2)), "{one:?} {other:?}");
    }
    settle(pair).await;
    assert!(mailboxes.iter().all(|mailbox| mailbox.count() == 0));
}

async fn messages_of_one_sender_arrive_in_order(pair: &Pair) {
    let mailbox = Mailbox::new();
    let channel = pair.other.new_channel(mailbox.clone()).await.unwrap();
    pair.other.group_add("order", &channel.name()).await.unwrap();
    for number in 0..100 {
        pair.one.group_send("order", &event(number)).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(mailbox.next().await, event(number));
    }
}

async fn every_type_arrives_as_it_was_sent(pair: &Pair) {
    let mailbox = Mailbox::new();
    let channel = pair.other.new_channel(mailbox.clone()).await.unwrap();
    let message = Value::map([
        ("type", "chat.message".into()),
        ("nothing", Value::Nil),
        ("yes", true.into()),
        ("numbers", Value::Array(vec![0.into(), Value::Int(-(1 << 63)), Value::Int((1 << 64) - 1), 1.5.into()])),
        ("infinity", f64::NEG_INFINITY.into()),
        ("text", "ünï☃\0\u{10ffff}".into()),
        ("nested", Value::map([("", Value::map([("a", Value::Array(vec![]))]))])),
    ]);
    pair.one.send(&channel.name(), &message).await.unwrap();
    assert_eq!(mailbox.next().await, message);
}

async fn who_left_gets_no_more(pair: &Pair) {
    let (left, stayed) = (Mailbox::new(), Mailbox::new());
    let leaving = pair.other.new_channel(left.clone()).await.unwrap();
    let staying = pair.other.new_channel(stayed.clone()).await.unwrap();
    for channel in [&leaving, &staying] {
        pair.other.group_add("leaving", &channel.name()).await.unwrap();
    }
    pair.other.group_discard("leaving", &leaving.name()).await.unwrap();
    pair.other.group_discard("leaving", &leaving.name()).await.unwrap();
    pair.one.group_send("leaving", &event(1)).await.unwrap();
    assert_eq!(stayed.next().await, event(1));
    // And it can come back.
    pair.other.group_add("leaving", &leaving.name()).await.unwrap();
    pair.other.group_discard("leaving", &staying.name()).await.unwrap();
    pair.one.group_send("leaving", &event(2)).await.unwrap();
    assert_eq!(left.next().await, event(2));
    settle(pair).await;
    assert_eq!((left.count(), stayed.count()), (0, 0));
}

async fn a_closed_channel_is_in_no_group(pair: &Pair) {
    let (closed, open) = (Mailbox::new(), Mailbox::new());
    let closing = pair.other.new_channel(closed.clone()).await.unwrap();
    let staying = pair.other.new_channel(open.clone()).await.unwrap();
    for channel in [&closing, &staying] {
        pair.other.group_add("closing", &channel.name()).await.unwrap();
    }
    let name = closing.name();
    drop(closing);
    pair.one.group_send("closing", &event(1)).await.unwrap();
    pair.one.send(&name, &event(2)).await.unwrap();
    assert_eq!(open.next().await, event(1));
    settle(pair).await;
    assert_eq!(closed.count(), 0);
}

async fn joining_twice_is_joining_once(pair: &Pair) {
    let mailbox = Mailbox::new();
    let channel = pair.other.new_channel(mailbox.clone()).await.unwrap();
    pair.other.group_add("twice", &channel.name()).await.unwrap();
    pair.other.group_add("twice", &channel.name()).await.unwrap();
    pair.one.group_send("twice", &event(1)).await.unwrap();
    assert_eq!(mailbox.next().await, event(1));
    settle(pair).await;
    assert_eq!(mailbox.count(), 0);
}

async fn a_group_without_members_is_sent_to_in_vain(pair: &Pair) {
    pair.one.group_send("nobody", &event(1)).await.unwrap();
}

async fn what_channels_refuses_is_refused(pair: &Pair) {
    let list = Value::Array(vec![]);
    assert!(matches!(pair.one.send("a", &list).await, Err(ChannelLayerError::NotADict)));
    assert!(matches!(pair.one.group_send("a", &list).await, Err(ChannelLayerError::NotADict)));
}
