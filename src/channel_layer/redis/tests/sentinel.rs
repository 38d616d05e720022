use std::time::Duration;

use super::{member, options, up};
use crate::{
    channel_layer::{
        ChannelLayerOptions,
        tests::{Mailbox, event},
    },
    test_support::redis::{Redis, Sentinel, by_sentinel},
};

#[tokio::test]
async fn a_replica_takes_over_and_groups_go_on() {
    let primary = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let sentinel = Sentinel::start(&primary, "");
    sentinel.wait_for_replica();
    let layer = member(&ChannelLayerOptions {
        hosts: vec![by_sentinel(vec![sentinel.address()]).into()],
        timeout: Duration::from_secs(1),
        ..options(&[])
    })
    .await;
    let mailbox = Mailbox::new();
    let channel = layer.new_channel(mailbox.clone()).await.unwrap();
    layer.group_add("g", &channel.name()).await.unwrap();
    layer.group_send("g", &event(1)).await.unwrap();
    assert_eq!(mailbox.next().await, event(1));
    primary.kill();
    tokio::time::sleep(Duration::from_millis(100)).await;
    up(&*layer).await;
    layer.group_send("g", &event(2)).await.unwrap();
    assert_eq!((mailbox.next().await, mailbox.count()), (event(2), 0));
    assert_eq!(replica.command(&["ROLE"]).lines().next(), Some("master"));
}
