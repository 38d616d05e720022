//! What a layer has done so far, as plain numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a layer has received and lost since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages that came for this process.
    pub received: u64,
    /// Copies of them that went to sinks.
    pub delivered: u64,
    /// Received, but encrypted longer ago than `expiry` and 10 seconds.
    pub expired: u64,
    /// Sent by us to a queue that was at its capacity, and so not kept.
    pub over_capacity: u64,
    /// Received for a channel or group that is not here, or not any more.
    pub unknown: u64,
    /// Received, but written with another serializer or key.
    pub undecodable: u64,
    /// Received once more after a lost connection, and not delivered again.
    pub repeated: u64,
    /// Connections to a host that were lost; what was sent meanwhile may be lost, too.
    pub outages: u64,
    /// The messages in this process's queues when they were last looked at.
    pub queued: u64,
}

impl Counters {
    /// What both counted together.
    pub(crate) const fn plus(&self, other: &Self) -> Self {
        Self {
            received: self.received + other.received,
            delivered: self.delivered + other.delivered,
            expired: self.expired + other.expired,
            over_capacity: self.over_capacity + other.over_capacity,
            unknown: self.unknown + other.unknown,
            undecodable: self.undecodable + other.undecodable,
            repeated: self.repeated + other.repeated,
            outages: self.outages + other.outages,
            queued: self.queued + other.queued,
        }
    }
}

/// The numbers while they change.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) received: Count,
    pub(super) delivered: Count,
    pub(super) expired: Count,
    pub(super) over_capacity: Count,
    pub(super) unknown: Count,
    pub(super) undecodable: Count,
    pub(super) repeated: Count,
    pub(super) outages: Count,
}

impl Tally {
    /// One more message that cannot be read; said in the log the more seldom the more there are.
    pub(super) fn add_undecodable(&self) {
        self.undecodable.add(1);
        let count = self.undecodable.get();
        if count.is_power_of_two() {
            tracing::warn!(count, "messages of the channel layer cannot be read: another serializer or key wrote them");
        }
    }

    pub(super) fn counters(&self, queued: u64) -> Counters {
        Counters {
            received: self.received.get(),
            delivered: self.delivered.get(),
            expired: self.expired.get(),
            over_capacity: self.over_capacity.get(),
            unknown: self.unknown.get(),
            undecodable: self.undecodable.get(),
            repeated: self.repeated.get(),
            outages: self.outages.get(),
            queued,
        }
    }
}

/// A number that many tasks count up.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
