//! What this process is subscribed to: the topic of a group from its first channel here to its last.

use std::{sync::Arc, time::Duration};

use super::Shared;
use crate::channel_layer::{
    ChannelLayerError,
    inbox::{Departure, Group, Written},
};

/// Names in one command.
const BATCH: usize = 256;
/// Between two attempts to tell of a departure.
const PAUSE: Duration = Duration::from_secs(1);

/// Ends the subscriptions of groups and channels that are gone. Never ends.
pub(super) async fn depart(shared: Arc<Shared>) {
    loop {
        for departure in shared.inbox.departures().await {
            let done = match departure.clone() {
                Departure::Group(group) | Departure::Member(group, _) => shared.write(group, false).await,
                Departure::Channel(id) => shared.unsubscribe_channel(id).await,
            };
            if let Err(error) = done {
                tracing::debug!(%error, "departures are told again");
                shared.inbox.report(vec![departure]);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Shared {
    /// Subscribes to a group with channels here, ends the subscription to one without. `again`: also where that was done
    /// before. The group's lock is held meanwhile, so that the last to come says what is true.
    pub(super) async fn write(&self, group: Arc<Group>, again: bool) -> Result<(), ChannelLayerError> {
        let mut written = group.written.lock().await;
        let is_in = !group.is_empty();
        let becomes = if is_in { Written::Yes } else { Written::No };
        if *written != becomes || (is_in && again) {
            *written = Written::Perhaps;
            let topic = self.topic(&group.name);
            self.change(self.host_of(&topic), &[topic], is_in).await?;
            *written = becomes;
        }
        self.inbox.forget_if_empty(&group);
        Ok(())
    }

    /// Subscribes to everything that belongs to a host, on a new connection.
    pub(super) async fn restore(&self, index: usize) -> Result<(), ChannelLayerError> {
        if self.pattern.is_none() {
            let names = self.inbox.channels().into_iter().map(|id| self.inbox.naming.name(id));
            let names = names.filter(|name| self.host_of(name) == index).collect::<Vec<_>>();
            for names in names.chunks(BATCH) {
                self.change(index, names, true).await?;
            }
        }
        let mut groups = self.inbox.groups();
        groups.retain(|group| self.host_of(&self.topic(&group.name)) == index);
        groups.sort_by_key(|group| group.id);
        for groups in groups.chunks(BATCH) {
            let mut locked = Vec::with_capacity(groups.len());
            for group in groups {
                locked.push((group, group.written.lock().await));
            }
            locked.retain(|(group, _)| !group.is_empty());
            let topics = locked.iter().map(|(group, _)| self.topic(&group.name)).collect::<Vec<_>>();
            if !topics.is_empty() {
                self.change(index, &topics, true).await?;
            }
            for (_, written) in &mut locked {
                **written = Written::Yes;
            }
        }
        Ok(())
    }

    pub(super) async fn subscribe_channel(&self, channel: u128) -> Result<(), ChannelLayerError> {
        let name = self.inbox.naming.name(channel);
        self.change(self.host_of(&name), &[name], true).await
    }

    async fn unsubscribe_channel(&self, channel: u128) -> Result<(), ChannelLayerError> {
        let name = self.inbox.naming.name(channel);
        self.change(self.host_of(&name), &[name], false).await
    }

    async fn change(&self, index: usize, names: &[String], subscribe: bool) -> Result<(), ChannelLayerError> {
        let subscriber = self.hosts[index].subscriber.lock().await.clone();
        let Some(mut subscriber) = subscriber else {
            // Without a connection there is no subscription to end.
            let lost = || ChannelLayerError::unavailable("there is no connection to subscribe on");
            return if subscribe { Err(lost()) } else { Ok(()) };
        };
        let done = if subscribe { subscriber.subscribe(names).await } else { subscriber.unsubscribe(names).await };
        Ok(done?)
    }
}
