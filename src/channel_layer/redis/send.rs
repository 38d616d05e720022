//! Sending: `send` and `group_send` of channels_redis, with its commands in its order.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::Ordering,
    time::SystemTime,
};

use redis::{Pipeline, cmd};

use super::{Shared, scripts::GROUP_SEND};
use crate::channel_layer::{
    ChannelLayerError, names::non_local_name, serializer::To, shard::consistent_hash, value::Value,
};

/// What goes to one host.
#[derive(Default)]
struct Batch {
    queues: Vec<Queue>,
    /// Places in `queues`.
    places: HashMap<String, usize>,
}

/// The members of a group that share a queue, and so a message.
struct Queue {
    key: String,
    channels: Vec<String>,
    capacity: usize,
}

impl Shared {
    pub(super) async fn send(&self, channel: &str, message: &Value) -> Result<(), ChannelLayerError> {
        let is_local = channel.contains('!');
        let non_local = non_local_name(channel);
        let host = if is_local {
            // channels_redis takes the whole name and so, of two hosts, often the one where nobody listens.
            consistent_hash(non_local, self.hosts.len())
        } else {
            self.next_host.fetch_add(1, Ordering::Relaxed) % self.hosts.len()
        };
        let redis = &self.hosts[host].redis;
        let key = format!("{}{non_local}", self.prefix);
        let body = self.serializer.body(message)?;
        let now = self.clock.next(SystemTime::now());
        let to = if is_local { To::Channel(channel) } else { To::Nobody };
        let member = self.serializer.serialize(&body, to, now.seconds())?;

        let mut room = Pipeline::new();
        room.cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(now.seconds().saturating_sub(self.expiry)).ignore();
        room.cmd("ZCOUNT").arg(&key).arg("-inf").arg("+inf");
        let (waiting,): (usize,) = redis.send_all(&room, "ZCOUNT").await?;
        if waiting >= self.capacities.of(channel) {
            self.inbox.tally.over_capacity.add(1);
            return Err(ChannelLayerError::ChannelFull);
        }
        let mut push = Pipeline::new();
        push.cmd("ZADD").arg(&key).arg(now.to_string()).arg(member).ignore();
        push.cmd("EXPIRE").arg(&key).arg(self.expiry).ignore();
        Ok(redis.send_all(&push, "ZADD").await?)
    }

    pub(super) async fn group_send(&self, group: &str, message: &Value) -> Result<(), ChannelLayerError> {
        let body = self.serializer.body(message)?;
        let now = self.clock.next(SystemTime::now());
        let members = self.members(group, now.seconds()).await?;
        for (host, batch) in self.batches(members) {
            let mut send = cmd("EVAL");
            send.arg(GROUP_SEND).arg(batch.queues.len());
            for queue in &batch.queues {
                send.arg(&queue.key);
            }
            for queue in &batch.queues {
                send.arg(self.serializer.serialize(&body, To::Channels(&queue.channels), now.seconds())?);
            }
            for queue in &batch.queues {
                send.arg(queue.capacity);
            }
            send.arg(now.to_string()).arg(self.expiry);

            let mut pipeline = Pipeline::new();
            pipeline.cmd("MULTI").ignore();
            for queue in &batch.queues {
                let oldest = now.seconds().saturating_sub(self.expiry);
                pipeline.cmd("ZREMRANGEBYSCORE").arg(&queue.key).arg(0).arg(oldest).ignore();
            }
            pipeline.cmd("EXEC").ignore();
            pipeline.add_command(send);
            let (over_capacity,): (usize,) = self.hosts[host].redis.send_all(&pipeline, "EVAL").await?;
            if over_capacity > 0 {
                self.inbox.tally.over_capacity.add(over_capacity);
                tracing::info!(group, over_capacity, "queues at their capacity in a group");
            }
        }
        Ok(())
    }

    /// The channels in `group`, those aside that joined too long ago.
    async fn members(&self, group: &str, now: u64) -> Result<Vec<String>, ChannelLayerError> {
        let key = self.group_key(group);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(now.saturating_sub(self.group_expiry)).ignore();
        pipeline.cmd("ZRANGE").arg(&key).arg(0).arg(-1);
        let (members,): (Vec<Vec<u8>>,) =
            self.hosts[self.group_host(group)].redis.send_all(&pipeline, "ZRANGE").await?;
        Ok(members.into_iter().filter_map(|member| String::from_utf8(member).ok()).collect())
    }

    /// `_map_channel_keys_to_connection`.
    fn batches(&self, channels: Vec<String>) -> BTreeMap<usize, Batch> {
        let mut batches: BTreeMap<usize, Batch> = BTreeMap::new();
        for channel in channels {
            let non_local = non_local_name(&channel);
            let key = format!("{}{non_local}", self.prefix);
            let Batch { queues, places } = batches.entry(consistent_hash(non_local, self.hosts.len())).or_default();
            if let Some(place) = places.get(&key) {
                queues[*place].channels.push(channel);
            } else {
                places.insert(key.clone(), queues.len());
                queues.push(Queue { key, capacity: self.capacities.of(&channel), channels: vec![channel] });
            }
        }
        batches
    }
}
