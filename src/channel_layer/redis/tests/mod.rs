//! The layer against real servers.

mod contract;
mod faults;
mod groups;
mod queues;
mod sentinel;
mod transcripts;

use std::{sync::Arc, time::Duration};

use crate::{
    channel_layer::{ChannelLayer, ChannelLayerOptions, Host, SerializerFormat, open},
    test_support::redis::Redis,
};

/// The servers' addresses; JSON, which `redis-cli` can write.
fn options(servers: &[&Redis]) -> ChannelLayerOptions {
    let hosts = servers.iter().map(|server| Host::from(server.options())).collect();
    ChannelLayerOptions {
        hosts,
        capacity: 10_000,
        serializer_format: SerializerFormat::Json,
        ..ChannelLayerOptions::default()
    }
}

/// A member of the layer that is up.
async fn member(options: &ChannelLayerOptions) -> Arc<dyn ChannelLayer> {
    let layer = open(options).unwrap();
    up(&*layer).await;
    layer
}

/// Waits until the layer works.
async fn up(layer: &dyn ChannelLayer) {
    let works = async {
        while layer.round_trip().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), works).await.expect("a layer that works");
}

/// Waits until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), holds).await.expect("what is waited for");
}

/// The key of the queue that the messages of a channel are in.
fn queue(channel: &str) -> String {
    format!("asgi{}!", channel.split_once('!').unwrap().0)
}

/// What lies in a queue for `tests::event(number)` to these channels.
fn in_queue(number: usize, channels: &str) -> String {
    format!(r#"{number:012}{{"type": "chat.message", "number": {number}, "__asgi_channel__": {channels}}}"#)
}
