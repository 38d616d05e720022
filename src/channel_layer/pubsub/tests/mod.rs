//! The layer against real servers.

mod contract;
mod faults;

use std::{sync::Arc, time::Duration};

use crate::{
    channel_layer::{
        ChannelLayer, ChannelLayerOptions, Host, LayerBackend, open,
        tests::contract::{Pair, options as contract_options},
    },
    test_support::redis::Redis,
};

fn options(servers: &[&Redis]) -> ChannelLayerOptions {
    let hosts = servers.iter().map(|server| Host::from(server.options())).collect();
    ChannelLayerOptions { backend: LayerBackend::RedisPubSub, hosts, ..contract_options() }
}

async fn pair(options: &ChannelLayerOptions) -> Pair {
    Pair { one: member(options).await, other: member(options).await }
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
