//! What others know of the groups that this process is in.
//!
//! One member of a group stands for all channels of this process, or each stands for itself where the options say so.
//! Who writes holds the group's lock, looks what is the case, and writes that: so the last write always says what is
//! true.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use redis::{Pipeline, cmd};
use tokio::sync::MutexGuard;

use super::{Shared, scripts::JOIN};
use crate::channel_layer::{
    ChannelLayerError,
    inbox::{Departure, Group, Written},
};

/// Groups that are written in one go, so that Redis does not stand still for others.
const BATCH: usize = 256;
/// Between two attempts to tell of a departure.
const PAUSE: Duration = Duration::from_secs(1);

/// Renews the memberships. Never ends.
pub(super) async fn renew(shared: Arc<Shared>) {
    let lasts = shared.lease.unwrap_or(shared.group_expiry).min(shared.group_expiry);
    let interval = (Duration::from_secs(lasts) / 3).max(Duration::from_millis(200));
    loop {
        tokio::time::sleep(interval).await;
        for index in 0..shared.hosts.len() {
            // Where this fails, the receiver restores them before long.
            if let Err(error) = shared.restore(index).await {
                tracing::debug!(%error, "memberships were not renewed");
            }
        }
    }
}

/// Tells of channels that are gone. Never ends.
pub(super) async fn depart(shared: Arc<Shared>) {
    loop {
        let departures = shared.inbox.departures().await;
        for index in 0..shared.hosts.len() {
            let here = |departure: &&Departure| match departure {
                Departure::Group(group) | Departure::Member(group, _) => shared.group_host(&group.name) == index,
                Departure::Channel(_) => false,
            };
            let departures = departures.iter().filter(here).cloned().collect::<Vec<_>>();
            let changes = departures.iter().filter_map(|departure| match departure {
                Departure::Group(group) => Some((Arc::clone(group), Of::Process)),
                Departure::Member(group, channel) => Some((Arc::clone(group), Of::Channel(*channel))),
                Departure::Channel(_) => None,
            });
            if let Err(error) = shared.write(index, changes.collect(), false).await {
                tracing::debug!(%error, "departures are told again");
                shared.inbox.report(departures);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whose membership is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The process's.
    Process,
    /// One channel's.
    Channel(u128),
    /// Each channel's.
    AllChannels,
}

/// A group whose membership is being written.
struct Locked<'a> {
    group: &'a Arc<Group>,
    written: MutexGuard<'a, Written>,
    /// What is true once that is done.
    becomes: Written,
}

impl Shared {
    pub(super) async fn group_add(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        let here = self.inbox.naming.id(channel).and_then(|id| Some((id, self.inbox.join(id, group)?)));
        let Some((id, joined)) = here else {
            let key = self.group_key(group);
            let now = self.clock.next(SystemTime::now());
            let mut pipeline = Pipeline::new();
            pipeline.cmd("ZADD").arg(&key).arg(now.to_string()).arg(channel).ignore();
            pipeline.cmd("EXPIRE").arg(&key).arg(self.group_expiry).ignore();
            return Ok(self.hosts[self.group_host(group)].redis.send_all(&pipeline, "ZADD").await?);
        };
        let written = self.write(self.group_host(group), vec![(joined, self.of(id))], false).await;
        if written.is_err()
            && let Some(group) = self.inbox.leave(id, group)
        {
            self.inbox.report(vec![self.departure(group, id)]);
        }
        written
    }

    pub(super) async fn group_discard(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        let here = self.inbox.naming.id(channel).and_then(|id| Some((id, self.inbox.leave(id, group)?)));
        let index = self.group_host(group);
        if let Some((id, left)) = here {
            let written = self.write(index, vec![(Arc::clone(&left), self.of(id))], false).await;
            if written.is_err() {
                self.inbox.report(vec![self.departure(left, id)]);
            }
            written?;
            if self.member_per_channel {
                return Ok(());
            }
        }
        // Django may have added the channel by its own name.
        let mut command = cmd("ZREM");
        command.arg(self.group_key(group)).arg(channel);
        let _: u64 = self.hosts[index].redis.send(&command, "ZREM").await?;
        Ok(())
    }

    /// Writes all memberships of one host again.
    pub(super) async fn restore(&self, index: usize) -> Result<(), ChannelLayerError> {
        let of = if self.member_per_channel { Of::AllChannels } else { Of::Process };
        let groups = self.inbox.groups().into_iter().filter(|group| self.group_host(&group.name) == index);
        self.write(index, groups.map(|group| (group, of)).collect(), true).await
    }

    /// Takes this process out of all groups, and its queues away.
    pub(super) async fn leave_everything(&self) {
        let groups = self.inbox.groups();
        for (index, host) in self.hosts.iter().enumerate() {
            let mut pipeline = Pipeline::new();
            for group in groups.iter().filter(|group| self.group_host(&group.name) == index) {
                let members = self.names(group, if self.member_per_channel { Of::AllChannels } else { Of::Process });
                pipeline.cmd("ZREM").arg(self.group_key(&group.name)).arg(members).ignore();
            }
            for queue in &self.queues {
                pipeline.cmd("DEL").arg(queue).arg(format!("{queue}$inflight")).ignore();
            }
            if let Err(error) = host.redis.send_all::<()>(&pipeline, "ZREM").await {
                tracing::warn!(%error, "the channel layer was left without a word");
            }
        }
    }

    const fn of(&self, channel: u128) -> Of {
        if self.member_per_channel { Of::Channel(channel) } else { Of::Process }
    }

    fn departure(&self, group: Arc<Group>, channel: u128) -> Departure {
        if self.member_per_channel { Departure::Member(group, channel) } else { Departure::Group(group) }
    }

    /// The names by which the group has them as members.
    fn names(&self, group: &Group, of: Of) -> Vec<String> {
        let ids = match of {
            Of::Process => vec![group.id],
            Of::Channel(id) => vec![id],
            Of::AllChannels => group.channels(),
        };
        ids.into_iter().map(|id| self.inbox.naming.name(id)).collect()
    }

    /// Writes what is the case now. `again`: also what was written before.
    async fn write(
        &self,
        index: usize,
        mut changes: Vec<(Arc<Group>, Of)>,
        again: bool,
    ) -> Result<(), ChannelLayerError> {
        // Locks are taken in one order by everybody.
        changes.sort_by_key(|(group, _)| group.id);
        for batch in changes.chunks(BATCH) {
            self.write_batch(index, batch, again).await?;
        }
        Ok(())
    }

    async fn write_batch(
        &self,
        index: usize,
        changes: &[(Arc<Group>, Of)],
        again: bool,
    ) -> Result<(), ChannelLayerError> {
        let mut locked: Vec<Locked<'_>> = Vec::with_capacity(changes.len());
        let (mut joins, mut leaves) = (Vec::new(), Vec::new());
        for (group, of) in changes {
            if !locked.last().is_some_and(|last| Arc::ptr_eq(last.group, group)) {
                locked.push(Locked { group, written: group.written.lock().await, becomes: Written::Perhaps });
            }
            let Some(lock) = locked.last_mut() else { continue };
            let is_in = match of {
                Of::Process | Of::AllChannels => !group.is_empty(),
                Of::Channel(id) => group.has(*id),
            };
            // What is true of it when it is asked, and no later change: whoever makes that writes it.
            lock.becomes = match (of, is_in) {
                (Of::Process, true) => Written::Yes,
                (Of::Process, false) => Written::No,
                (Of::Channel(_) | Of::AllChannels, _) => Written::Perhaps,
            };
            let is_known = *of == Of::Process && lock.becomes == *lock.written;
            let members = || self.names(group, *of).into_iter().map(|name| (self.group_key(&group.name), name));
            match is_in {
                true if again || !is_known => joins.extend(members()),
                false if !is_known => leaves.extend(members()),
                _ => {}
            }
        }
        if !joins.is_empty() || !leaves.is_empty() {
            for lock in &mut locked {
                *lock.written = Written::Perhaps;
            }
            let mut pipeline = Pipeline::new();
            self.add_joins(&mut pipeline, &joins);
            for (key, name) in &leaves {
                pipeline.cmd("ZREM").arg(key).arg(name).ignore();
            }
            self.hosts[index].redis.send_all::<()>(&pipeline, "ZADD").await?;
        }
        for lock in &mut locked {
            *lock.written = lock.becomes;
            self.inbox.forget_if_empty(lock.group);
        }
        Ok(())
    }

    fn add_joins(&self, pipeline: &mut Pipeline, joins: &[(String, String)]) {
        if joins.is_empty() {
            return;
        }
        if let Some(lease) = self.lease {
            let mut join = cmd("EVAL");
            join.arg(JOIN).arg(joins.len());
            for (key, _) in joins {
                join.arg(key);
            }
            join.arg(i128::from(self.group_expiry) - i128::from(lease)).arg(self.group_expiry);
            for (_, name) in joins {
                join.arg(name);
            }
            pipeline.add_command(join).ignore();
            return;
        }
        for (key, name) in joins {
            let now = self.clock.next(SystemTime::now());
            pipeline.cmd("ZADD").arg(key).arg(now.to_string()).arg(name).ignore();
            pipeline.cmd("EXPIRE").arg(key).arg(self.group_expiry).ignore();
        }
    }
}
