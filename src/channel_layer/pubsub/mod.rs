//! `RedisPubSubChannelLayer` (channels_redis 4.3, pubsub.py).
//!
//! Each host has a connection that publishes, and one that is subscribed: to the topics of the groups that this process
//! is in, and to one pattern for all of its channels.

mod receiver;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::redis::cmd;
use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    ChannelLayer, ChannelLayerError, ChannelLayerOptions, Counters, GroupSizes, Sink,
    in_memory::require_dict,
    inbox::{Channel, Departure, Inbox, Reports},
    message::Message,
    naming::Naming,
    serializer::{Serializer, To},
    shard::consistent_hash,
    value::Value,
};
use crate::redis::{Redis, Subscriber};

pub(super) struct PubSubChannelLayer {
    shared: Arc<Shared>,
    /// Ended with the layer.
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    inbox: Arc<Inbox>,
    hosts: Vec<Host>,
    serializer: Serializer,
    prefix: String,
    /// Fits the names of all channels of this process; `None`: each is subscribed by itself.
    pattern: Option<String>,
    watch_interval: Duration,
    timeout: Duration,
}

struct Host {
    redis: Redis,
    /// The connection that is subscribed, while there is one.
    subscriber: tokio::sync::Mutex<Option<Subscriber>>,
    /// Whether it is subscribed to everything.
    is_up: AtomicBool,
    /// It is dead, although it does not seem so.
    is_dead: Notify,
    /// The layer's own messages to itself.
    probe: Channel,
    arrivals: watch::Receiver<u64>,
}

/// Counts what comes for a probe.
struct Arrivals(watch::Sender<u64>);

impl Sink for Arrivals {
    fn deliver(&self, _: &Arc<Message>) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl PubSubChannelLayer {
    /// # Errors
    ///
    /// A sentence about a setting that cannot be used.
    pub(super) fn new(options: &ChannelLayerOptions) -> Result<Self, String> {
        let naming = Naming::halves(options.prefix.clone(), options.client()?);
        let pattern = naming.pattern().filter(|_| !options.member_per_channel);
        let reports = if options.member_per_channel { Reports::GroupsAndChannels } else { Reports::Groups };
        let inbox = Inbox::new(naming, reports);
        let open = |host: &super::Host| {
            let (sender, arrivals) = watch::channel(0);
            Ok(Host {
                redis: Redis::new(host.options(), options.timeout).map_err(|error| error.to_string())?,
                subscriber: tokio::sync::Mutex::new(None),
                is_up: AtomicBool::new(false),
                is_dead: Notify::new(),
                probe: inbox.open_probe(Arc::new(Arrivals(sender))),
                arrivals,
            })
        };
        let hosts = options.hosts_or_default().iter().map(open).collect::<Result<Vec<_>, String>>()?;
        // Neither random prefix nor age limit: nothing is stored.
        let serializer = Serializer::new(options.serializer_format, &options.symmetric_encryption_keys, 0, None)?;
        let shared = Arc::new(Shared {
            inbox,
            hosts,
            serializer,
            prefix: options.prefix.clone(),
            pattern,
            watch_interval: options.watch_interval,
            timeout: options.timeout,
        });
        let mut tasks = JoinSet::new();
        for host in 0..shared.hosts.len() {
            tasks.spawn(receiver::run(Arc::clone(&shared), host));
            tasks.spawn(receiver::watch(Arc::clone(&shared), host));
        }
        tasks.spawn(subscriptions::depart(Arc::clone(&shared)));
        Ok(Self { shared, tasks: Mutex::new(tasks) })
    }
}

impl Shared {
    /// `_get_shard`.
    fn host_of(&self, name: &str) -> usize {
        consistent_hash(name, self.hosts.len())
    }

    /// `_get_group_channel_name`.
    fn topic(&self, group: &str) -> String {
        format!("{}__group__{group}", self.prefix)
    }

    async fn publish(&self, host: usize, name: &str, message: &Value) -> Result<(), ChannelLayerError> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let bytes = self.serializer.serialize(&self.serializer.body(message)?, To::Nobody, now)?;
        let mut publish = cmd("PUBLISH");
        publish.arg(name).arg(bytes);
        let _: u64 = self.hosts[host].redis.send(&publish, "PUBLISH").await?;
        Ok(())
    }

    /// Whether a message to this process arrives over a host.
    async fn probe_arrives(&self, index: usize) -> Result<bool, ChannelLayerError> {
        let host = &self.hosts[index];
        let mut arrivals = host.arrivals.clone();
        arrivals.mark_unchanged();
        let message = Value::map([("type", "sluicegate.probe".into())]);
        self.publish(index, &host.probe.name(), &message).await?;
        Ok(timeout(self.timeout, arrivals.changed()).await.is_ok())
    }
}

#[async_trait]
impl ChannelLayer for PubSubChannelLayer {
    async fn send(&self, channel: &str, message: &Value) -> Result<(), ChannelLayerError> {
        require_dict(message)?;
        self.shared.publish(self.shared.host_of(channel), channel, message).await
    }

    async fn group_send(&self, group: &str, message: &Value) -> Result<(), ChannelLayerError> {
        require_dict(message)?;
        let topic = self.shared.topic(group);
        self.shared.publish(self.shared.host_of(&topic), &topic, message).await
    }

    async fn new_channel(&self, sink: Arc<dyn Sink>) -> Result<Channel, ChannelLayerError> {
        let channel = self.shared.inbox.open(sink);
        if self.shared.pattern.is_none() {
            self.shared.subscribe_channel(channel.id()).await?;
        }
        Ok(channel)
    }

    async fn group_add(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        let inbox = &self.shared.inbox;
        let here = inbox.naming.id(channel).and_then(|id| Some((id, inbox.join(id, group)?)));
        let (id, joined) = here.ok_or(ChannelLayerError::NotInProcess)?;
        let written = self.shared.write(joined, false).await;
        if written.is_err()
            && let Some(left) = inbox.leave(id, group)
        {
            inbox.report(vec![Departure::Group(left)]);
        }
        written
    }

    async fn group_discard(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        let inbox = &self.shared.inbox;
        let Some(left) = inbox.naming.id(channel).and_then(|id| inbox.leave(id, group)) else { return Ok(()) };
        let written = self.shared.write(Arc::clone(&left), false).await;
        if written.is_err() {
            inbox.report(vec![Departure::Group(left)]);
        }
        written
    }

    async fn round_trip(&self) -> Result<(), ChannelLayerError> {
        for (index, host) in self.shared.hosts.iter().enumerate() {
            if !host.is_up.load(Ordering::Acquire) {
                // The receiver may be about to connect: what Redis says is the better answer.
                let _: String = host.redis.send(&cmd("PING"), "PING").await?;
                return Err(ChannelLayerError::unavailable("groups are not subscribed to yet"));
            }
            if !self.shared.probe_arrives(index).await? {
                host.is_dead.notify_waiters();
                return Err(ChannelLayerError::unavailable("a message to this process did not come"));
            }
        }
        Ok(())
    }

    fn groups(&self, most: usize) -> GroupSizes {
        self.shared.inbox.group_sizes(most)
    }

    fn counters(&self) -> Counters {
        self.shared.inbox.tally.counters(0)
    }

    async fn close(&self) {
        // The subscriptions end with their connections.
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        for host in &self.shared.hosts {
            host.is_up.store(false, Ordering::Release);
            *host.subscriber.lock().await = None;
        }
    }
}
