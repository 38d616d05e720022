//! `RedisChannelLayer` (channels_redis 4.3, core.py).
//!
//! Each host has a connection that all commands share, and one of the [`receiver`]'s own. What others have to know of
//! groups is [`membership`]; what finds a connection that died in silence is [`watch`].

mod companions;
mod membership;
mod receiver;
mod scripts;
mod seen;
mod send;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    ChannelLayer, ChannelLayerError, ChannelLayerOptions, Counters, GroupSizes, Sink,
    capacity::Capacities,
    clock::Clock,
    in_memory::require_dict,
    inbox::{Channel, Inbox, Reports},
    names::{require_valid_channel_name, require_valid_group_name},
    naming::Naming,
    serializer::{Serializer, is_reserved},
    shard::consistent_hash,
    value::Value,
};
use crate::redis::Redis;

pub(super) struct RedisChannelLayer {
    shared: Arc<Shared>,
    /// Ended with the layer.
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    inbox: Arc<Inbox>,
    hosts: Vec<Host>,
    serializer: Serializer,
    capacities: Capacities,
    clock: Clock,
    prefix: String,
    /// In seconds, as the commands have them.
    expiry: u64,
    group_expiry: u64,
    lease: Option<u64>,
    member_per_channel: bool,
    watch_interval: Duration,
    timeout: Duration,
    /// The keys of this process's queues.
    queues: Vec<String>,
    next_host: AtomicUsize,
}

struct Host {
    redis: Redis,
    /// Whether messages are received and all memberships are written.
    is_up: AtomicBool,
    /// How many messages waited when last asked.
    queued: AtomicU64,
    /// The receiver's connection is dead, although it does not seem so.
    is_dead: Notify,
}

impl RedisChannelLayer {
    /// # Errors
    ///
    /// A sentence about a setting that cannot be used.
    pub(super) fn new(options: &ChannelLayerOptions) -> Result<Self, String> {
        let open = |host: &super::Host| {
            let redis = Redis::new(host.options(), options.timeout).map_err(|error| error.to_string())?;
            Ok(Host { redis, is_up: AtomicBool::new(false), queued: AtomicU64::new(0), is_dead: Notify::new() })
        };
        let hosts = options.hosts_or_default().iter().map(open).collect::<Result<Vec<_>, String>>()?;
        let expiry = options.expiry.as_secs();
        let reports = if options.member_per_channel { Reports::Members } else { Reports::Groups };
        let naming = Naming::queues(options.client()?, options.queues, hosts.len());
        let queues = naming.prefixes().iter().map(|prefix| format!("{}{prefix}", options.prefix)).collect();
        let shared = Arc::new(Shared {
            inbox: Inbox::new(naming, reports),
            hosts,
            serializer: Serializer::new(
                options.serializer_format,
                &options.symmetric_encryption_keys,
                options.random_prefix_length,
                Some(expiry),
            )?,
            capacities: Capacities::new(options.capacity, &options.channel_capacity)?,
            clock: Clock::default(),
            prefix: options.prefix.clone(),
            expiry,
            group_expiry: options.group_expiry.as_secs(),
            lease: options.lease.map(|lease| lease.as_secs().max(1)),
            member_per_channel: options.member_per_channel,
            watch_interval: options.watch_interval,
            timeout: options.timeout,
            queues,
            next_host: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        for host in 0..shared.hosts.len() {
            tasks.spawn(receiver::run(Arc::clone(&shared), host));
            tasks.spawn(watch::run(Arc::clone(&shared), host));
        }
        tasks.spawn(membership::renew(Arc::clone(&shared)));
        tasks.spawn(membership::depart(Arc::clone(&shared)));
        Ok(Self { shared, tasks: Mutex::new(tasks) })
    }
}

impl Shared {
    /// `_group_key`.
    fn group_key(&self, group: &str) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// The host that has the members of `group`.
    fn group_host(&self, group: &str) -> usize {
        consistent_hash(group, self.hosts.len())
    }
}

#[async_trait]
impl ChannelLayer for RedisChannelLayer {
    async fn send(&self, channel: &str, message: &Value) -> Result<(), ChannelLayerError> {
        require_dict(message)?;
        require_valid_channel_name(channel)?;
        if is_reserved(message) {
            return Err(ChannelLayerError::ReservedKey);
        }
        self.shared.send(channel, message).await
    }

    async fn group_send(&self, group: &str, message: &Value) -> Result<(), ChannelLayerError> {
        require_valid_group_name(group)?;
        require_dict(message)?;
        self.shared.group_send(group, message).await
    }

    async fn new_channel(&self, sink: Arc<dyn Sink>) -> Result<Channel, ChannelLayerError> {
        Ok(self.shared.inbox.open(sink))
    }

    async fn group_add(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        require_valid_group_name(group)?;
        require_valid_channel_name(channel)?;
        self.shared.group_add(group, channel).await
    }

    async fn group_discard(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        require_valid_group_name(group)?;
        require_valid_channel_name(channel)?;
        self.shared.group_discard(group, channel).await
    }

    async fn round_trip(&self) -> Result<(), ChannelLayerError> {
        for (index, host) in self.shared.hosts.iter().enumerate() {
            if !host.is_up.load(Ordering::Acquire) {
                // The receiver may be about to connect: what Redis says is the better answer.
                let _: String = host.redis.send(&redis::cmd("PING"), "PING").await?;
                return Err(ChannelLayerError::unavailable("memberships are not written yet"));
            }
            self.shared.probe(index).await?;
        }
        Ok(())
    }

    fn groups(&self, most: usize) -> GroupSizes {
        self.shared.inbox.group_sizes(most)
    }

    fn counters(&self) -> Counters {
        let queued = self.shared.hosts.iter().map(|host| host.queued.load(Ordering::Relaxed)).sum();
        self.shared.inbox.tally.counters(queued)
    }

    async fn close(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        for host in &self.shared.hosts {
            host.is_up.store(false, Ordering::Release);
        }
        self.shared.leave_everything().await;
    }
}
