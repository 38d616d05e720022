//! What is published for this process.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::Shared;
use crate::{
    channel_layer::{ChannelLayerError, message::Message, serializer::Undecodable},
    redis::Published,
};

/// Between two attempts to connect: the first pause, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Receives from one host. Never ends.
pub(super) async fn run(shared: Arc<Shared>, index: usize) {
    let host = &shared.hosts[index];
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match open(&shared, index).await {
            Ok(mut published) => {
                pause = FIRST_PAUSE;
                host.is_up.store(true, Ordering::Release);
                let error = tokio::select! {
                    // Ends with the connection.
                    () = receive(&shared, &mut published) => "the connection was lost",
                    () = host.is_dead.notified() => "a message that was published did not come",
                };
                host.is_up.store(false, Ordering::Release);
                shared.inbox.tally.outages.add(1);
                error.to_owned()
            }
            Err(error) => error.to_string(),
        };
        *host.subscriber.lock().await = None;
        tracing::warn!(error, retry_ms = pause.as_millis(), "not receiving from the channel layer");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A connection that is subscribed to everything.
async fn open(shared: &Shared, index: usize) -> Result<Published, ChannelLayerError> {
    let host = &shared.hosts[index];
    let (mut subscriber, published) = host.redis.subscription().await?;
    match &shared.pattern {
        Some(pattern) => subscriber.psubscribe(pattern).await?,
        None => subscriber.subscribe(&[host.probe.name()]).await?,
    }
    tracing::info!(redis.address = subscriber.address(), "receiving from the channel layer");
    // From now on, who joins a group subscribes to it by himself.
    *host.subscriber.lock().await = Some(subscriber);
    shared.restore(index).await?;
    Ok(published)
}

async fn receive(shared: &Shared, published: &mut Published) {
    while let Some((name, bytes)) = published.next().await {
        shared.receive(&name, &bytes);
        // Others want to run, too.
        tokio::task::consume_budget().await;
    }
}

impl Shared {
    fn receive(&self, name: &[u8], bytes: &[u8]) {
        let tally = &self.inbox.tally;
        let Ok(name) = std::str::from_utf8(name) else { return tally.unknown.add(1) };
        let message = match self.serializer.deserialize(bytes, 0) {
            Ok(received) => Arc::new(Message::new(received.message, bytes.len())),
            Err(Undecodable::Expired) => return tally.expired.add(1),
            Err(Undecodable::Unreadable) => return tally.add_undecodable(),
        };
        let group = name.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix("__group__"));
        match group.map(|group| self.inbox.group(group)) {
            Some(Some(group)) => self.inbox.deliver_to(&group, &message),
            // A group that was left a moment ago, or a channel.
            Some(None) | None => self.inbox.deliver(&[name.to_owned()], &[], &message),
        }
    }
}

/// Looks after one host: a connection that died in silence is found by a message to oneself. Never ends.
pub(super) async fn watch(shared: Arc<Shared>, index: usize) {
    let host = &shared.hosts[index];
    loop {
        tokio::time::sleep(shared.watch_interval).await;
        if !host.is_up.load(Ordering::Acquire) {
            continue;
        }
        match shared.probe_arrives(index).await {
            Ok(true) => {}
            // Redis answered on the other connection, and so has sent the message on the subscribed one.
            Ok(false) => host.is_dead.notify_waiters(),
            Err(error) => tracing::debug!(%error, "the channel layer was not asked"),
        }
    }
}
