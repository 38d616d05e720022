//! `channels.layers.InMemoryChannelLayer`: one process alone (channels 4.3, layers.py).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    ChannelLayer, ChannelLayerError, ChannelLayerOptions, Counters, GroupSizes, Sink,
    capacity::Capacities,
    inbox::{Channel, Inbox, Reports},
    message::Message,
    names::{require_valid_channel_name, require_valid_group_name},
    naming::Naming,
    serializer::is_reserved,
    value::Value,
};

pub(super) struct InMemoryChannelLayer {
    inbox: Arc<Inbox>,
    capacities: Capacities,
    expiry: Duration,
    group_expiry: Duration,
    plain: Mutex<Plain>,
}

/// Channels without a `!`. A process of Python may wait for their messages; here nobody does, so that no more is kept of
/// one than the time until which it counts.
#[derive(Default)]
struct Plain {
    queues: HashMap<String, VecDeque<Instant>>,
    /// With the time of joining.
    groups: HashMap<String, HashMap<String, Instant>>,
}

impl InMemoryChannelLayer {
    /// # Errors
    ///
    /// A sentence about a setting that cannot be used.
    pub(super) fn new(options: &ChannelLayerOptions) -> Result<Self, String> {
        Ok(Self {
            inbox: Inbox::new(Naming::InMemory, Reports::Nothing),
            capacities: Capacities::new(options.capacity, &options.channel_capacity)?,
            expiry: options.expiry,
            group_expiry: options.group_expiry,
            plain: Mutex::default(),
        })
    }

    fn plain(&self) -> std::sync::MutexGuard<'_, Plain> {
        // Nothing panics while it is held.
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, plain: &mut Plain, channel: &str) -> Result<(), ChannelLayerError> {
        let queue = plain.queues.entry(channel.to_owned()).or_default();
        if queue.len() >= self.capacities.of(channel) {
            self.inbox.tally.over_capacity.add(1);
            return Err(ChannelLayerError::ChannelFull);
        }
        queue.push_back(Instant::now() + self.expiry);
        Ok(())
    }
}

impl Plain {
    /// `_clean_expired`: a channel whose message expires also leaves its groups.
    fn clean_expired(&mut self, group_expiry: Duration) {
        let now = Instant::now();
        let Self { queues, groups } = self;
        queues.retain(|channel, queue| {
            while queue.front().is_some_and(|expires| *expires < now) {
                queue.pop_front();
                for members in groups.values_mut() {
                    members.remove(channel);
                }
            }
            !queue.is_empty()
        });
        groups.retain(|_, members| {
            members.retain(|_, joined| *joined + group_expiry >= now);
            !members.is_empty()
        });
    }
}

#[async_trait]
impl ChannelLayer for InMemoryChannelLayer {
    async fn send(&self, channel: &str, message: &Value) -> Result<(), ChannelLayerError> {
        require_valid_channel_name(channel)?;
        require_dict(message)?;
        if is_reserved(message) {
            return Err(ChannelLayerError::ReservedKey);
        }
        if channel.contains('!') {
            self.inbox.deliver(&[channel.to_owned()], &[], &Arc::new(Message::new(message.clone(), message.weight())));
            return Ok(());
        }
        let mut plain = self.plain();
        plain.clean_expired(self.group_expiry);
        self.enqueue(&mut plain, channel)
    }

    async fn group_send(&self, group: &str, message: &Value) -> Result<(), ChannelLayerError> {
        require_valid_group_name(group)?;
        require_dict(message)?;
        {
            let mut plain = self.plain();
            plain.clean_expired(self.group_expiry);
            let members = plain.groups.get(group).map(|members| members.keys().cloned().collect::<Vec<_>>());
            for channel in members.unwrap_or_default() {
                // ChannelFull passes in silence.
                let _ = self.enqueue(&mut plain, &channel);
            }
        }
        if let Some(group) = self.inbox.group(group) {
            self.inbox.deliver_to(&group, &Arc::new(Message::new(message.clone(), message.weight())));
        }
        Ok(())
    }

    async fn new_channel(&self, sink: Arc<dyn Sink>) -> Result<Channel, ChannelLayerError> {
        Ok(self.inbox.open(sink))
    }

    async fn group_add(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        require_valid_group_name(group)?;
        require_valid_channel_name(channel)?;
        let is_here = self.inbox.naming.id(channel).is_some_and(|id| self.inbox.join(id, group).is_some());
        if !is_here && !channel.contains('!') {
            self.plain().groups.entry(group.to_owned()).or_default().insert(channel.to_owned(), Instant::now());
        }
        Ok(())
    }

    async fn group_discard(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        require_valid_channel_name(channel)?;
        require_valid_group_name(group)?;
        if let Some(id) = self.inbox.naming.id(channel) {
            self.inbox.leave(id, group);
        } else if let Some(members) = self.plain().groups.get_mut(group) {
            members.remove(channel);
        }
        Ok(())
    }

    async fn round_trip(&self) -> Result<(), ChannelLayerError> {
        Ok(())
    }

    fn groups(&self, most: usize) -> GroupSizes {
        self.inbox.group_sizes(most)
    }

    fn counters(&self) -> Counters {
        self.inbox.tally.counters(0)
    }

    async fn close(&self) {}
}

/// `isinstance(message, dict)`.
pub(super) fn require_dict(message: &Value) -> Result<(), ChannelLayerError> {
    if matches!(message, Value::Map(_)) { Ok(()) } else { Err(ChannelLayerError::NotADict) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::{
        ChannelPattern,
        tests::{Mailbox, contract, event},
    };

    fn layer(options: &ChannelLayerOptions) -> Arc<dyn ChannelLayer> {
        Arc::new(InMemoryChannelLayer::new(options).unwrap())
    }

    #[tokio::test]
    async fn the_contract_holds_in_memory() {
        let layer = layer(&contract::options());
        contract::holds_for(&contract::Pair { one: Arc::clone(&layer), other: layer }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn messages_and_memberships_of_plain_channels_expire() {
        let layer = layer(&ChannelLayerOptions {
            capacity: 1,
            channel_capacity: vec![(ChannelPattern::Glob("wide.*".to_owned()), 2)],
            group_expiry: Duration::from_secs(100),
            ..ChannelLayerOptions::default()
        });
        layer.send("plain", &event(0)).await.unwrap();
        assert!(matches!(layer.send("plain", &event(1)).await, Err(ChannelLayerError::ChannelFull)));
        tokio::time::advance(Duration::from_secs(61)).await;
        layer.send("plain", &event(2)).await.unwrap();
        layer.group_add("g", "wide.1").await.unwrap();
        for number in 0..3 {
            layer.group_send("g", &event(number)).await.unwrap();
        }
        assert_eq!(layer.counters().over_capacity, 2);
        // The messages expire, and with them the channel's membership.
        tokio::time::advance(Duration::from_secs(61)).await;
        for number in 0..3 {
            layer.group_send("g", &event(number)).await.unwrap();
        }
        assert_eq!(layer.counters().over_capacity, 2);
        layer.group_add("h", "wide.2").await.unwrap();
        tokio::time::advance(Duration::from_secs(101)).await;
        for number in 0..3 {
            layer.group_send("h", &event(number)).await.unwrap();
        }
        assert_eq!(layer.counters().over_capacity, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_of_this_process_stays_in_its_groups() {
        let (layer, mailbox) = (layer(&ChannelLayerOptions::default()), Mailbox::new());
        let channel = layer.new_channel(mailbox.clone()).await.unwrap();
        layer.group_add("g", &channel.name()).await.unwrap();
        tokio::time::advance(Duration::from_hours(48)).await;
        layer.group_send("g", &event(1)).await.unwrap();
        assert_eq!(mailbox.next().await, event(1));
    }
}
