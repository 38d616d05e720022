//! All open sockets of the process: for their shared timer, and for the day that they are closed together.
//!
//! One timer serves all: a hashed wheel per shard, whose buckets hold slots. A socket has one due time at a time; the
//! entries of times that were replaced are dropped when their bucket comes round.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

use super::{
    close::CloseFrame,
    outbox::{Outbox, TIMER},
};

const SHARDS: usize = 16;
const BUCKETS: usize = 64;
/// No time is due.
const NEVER: u64 = u64::MAX;

/// The open sockets of this process.
#[derive(Debug)]
pub(crate) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    next_shard: AtomicUsize,
    open: AtomicUsize,
    /// Told when the last socket is gone.
    emptied: Notify,
    is_closing: AtomicBool,
    started: Instant,
    tick: Duration,
}

#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    free: Vec<u32>,
    wheel: Vec<Vec<u32>>,
}

#[derive(Debug)]
struct Slot {
    outbox: Option<Arc<Outbox>>,
    /// In ticks since the start.
    due: u64,
}

/// What waits for clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// For how many clients.
    pub(crate) sockets: usize,
}

impl Registry {
    /// `resolution`: how exact times are kept.
    pub(crate) fn new(resolution: Duration) -> Arc<Self> {
        Arc::new(Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard { wheel: vec![Vec::new(); BUCKETS], ..Shard::default() })),
            next_shard: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            emptied: Notify::new(),
            is_closing: AtomicBool::new(false),
            started: Instant::now(),
            tick: resolution.max(Duration::from_millis(1)),
        })
    }

    /// Enters a socket, until the answer is dropped. While the process stops, it is closed at once.
    pub(crate) fn register(self: &Arc<Self>, outbox: &Arc<Outbox>) -> Registration {
        self.open.fetch_add(1, Ordering::SeqCst);
        let shard_index = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let slot = Slot { outbox: Some(Arc::clone(outbox)), due: NEVER };
        let index = {
            let mut shard = self.shard(shard_index);
            if let Some(index) = shard.free.pop() {
                shard.slots[index as usize] = slot;
                index
            } else {
                shard.slots.push(slot);
                u32::try_from(shard.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if self.is_closing.load(Ordering::SeqCst) {
            outbox.close_with(CloseFrame::restart());
        }
        #[expect(clippy::cast_possible_truncation, reason = "below SHARDS")]
        Registration { registry: Arc::clone(self), shard: shard_index as u32, index }
    }

    /// How many sockets are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Closes all sockets, and those that come later, with 1012, as uvicorn does when it stops.
    pub(crate) fn close_all(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        for index in 0..SHARDS {
            let outboxes: Vec<_> = self.shard(index).slots.iter().filter_map(|slot| slot.outbox.clone()).collect();
            for outbox in outboxes {
                outbox.close_with(CloseFrame::restart());
            }
        }
    }

    /// The sockets that are open now.
    pub(super) fn outboxes(&self) -> Vec<Weak<Outbox>> {
        let mut outboxes = Vec::with_capacity(self.open());
        for index in 0..SHARDS {
            outboxes.extend(self.shard(index).slots.iter().filter_map(|slot| slot.outbox.as_ref().map(Arc::downgrade)));
        }
        outboxes
    }

    /// What waits for the clients of all sockets.
    pub(crate) fn waiting(&self) -> Backlog {
        let mut backlog = Backlog::default();
        for index in 0..SHARDS {
            for outbox in self.shard(index).slots.iter().filter_map(|slot| slot.outbox.as_ref()) {
                let (messages, bytes) = outbox.waiting();
                backlog.messages += messages;
                backlog.bytes += bytes;
                backlog.sockets += usize::from(messages > 0);
            }
        }
        backlog
    }

    /// Waits until no socket is open.
    #[cfg(test)]
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Runs the timer. Never ends.
    pub(crate) async fn run(&self) {
        let mut interval = tokio::time::interval(self.tick);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut done = self.now();
        loop {
            interval.tick().await;
            let now = self.now();
            // After a long sleep of the machine one round visits every bucket.
            for tick in (done + 1).max(now.saturating_sub(BUCKETS as u64))..=now {
                self.turn(tick);
            }
            done = now;
        }
    }

    fn turn(&self, tick: u64) {
        let bucket = bucket(tick);
        for index in 0..SHARDS {
            let mut due = Vec::new();
            {
                let mut shard = self.shard(index);
                let Shard { slots, wheel, .. } = &mut *shard;
                wheel[bucket].retain(|&entry| {
                    let Some(slot) = slots.get_mut(entry as usize) else { return false };
                    if slot.due <= tick {
                        slot.due = NEVER;
                        due.extend(slot.outbox.clone());
                    }
                    slot.due != NEVER && self::bucket(slot.due) == bucket
                });
                if wheel[bucket].is_empty() {
                    wheel[bucket] = Vec::new();
                }
            }
            for outbox in due {
                outbox.signal(TIMER);
            }
        }
    }

    fn now(&self) -> u64 {
        let ticks = self.started.elapsed().as_nanos() / self.tick.as_nanos().max(1);
        u64::try_from(ticks).unwrap_or(NEVER - 1)
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder below BUCKETS")]
const fn bucket(tick: u64) -> usize {
    (tick % BUCKETS as u64) as usize
}

/// A socket's entry in the [`Registry`].
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    shard: u32,
    index: u32,
}

impl Registration {
    /// Signals [`TIMER`] after `delay`, in place of any time set before.
    pub(super) fn schedule(&self, delay: Duration) {
        let ticks = delay.as_nanos().div_ceil(self.registry.tick.as_nanos().max(1));
        let due = self.registry.now().saturating_add(u64::try_from(ticks).unwrap_or(NEVER)).min(NEVER - 2) + 1;
        let mut shard = self.registry.shard(self.shard as usize);
        let Shard { slots, wheel, .. } = &mut *shard;
        let Some(slot) = slots.get_mut(self.index as usize) else { return };
        slot.due = due;
        let entries = &mut wheel[bucket(due)];
        entries.push(self.index);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        {
            let mut shard = self.registry.shard(self.shard as usize);
            if let Some(slot) = shard.slots.get_mut(self.index as usize) {
                *slot = Slot { outbox: None, due: NEVER };
                shard.free.push(self.index);
            }
        }
        if self.registry.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.registry.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn told(outbox: &Outbox) -> u8 {
        outbox.poll_signals(Waker::noop())
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_is_signalled_once_and_the_last_one_set_counts() {
        let registry = Registry::new(Duration::from_millis(100));
        let timer = Arc::clone(&registry);
        tokio::spawn(async move { timer.run().await });
        let outbox = Arc::new(Outbox::default());
        let registration = registry.register(&outbox);
        registration.schedule(Duration::from_secs(1));
        registration.schedule(Duration::from_secs(20));
        tokio::time::sleep(Duration::from_secs(20) - Duration::from_millis(100)).await;
        assert_eq!(told(&outbox), 0);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(told(&outbox), TIMER);
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(told(&outbox), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn times_set_again_and_again_leave_no_entries_behind() {
        let registry = Registry::new(Duration::from_millis(100));
        let timer = Arc::clone(&registry);
        tokio::spawn(async move { timer.run().await });
        let outbox = Arc::new(Outbox::default());
        let registration = registry.register(&outbox);
        for _ in 0..1000 {
            registration.schedule(Duration::from_secs(2));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let entries: usize =
            registry.shards.iter().map(|shard| shard.lock().unwrap().wheel.iter().map(Vec::len).sum::<usize>()).sum();
        assert!(entries < 100, "{entries}");
        drop(registration);
        let later = registry.register(&Arc::default());
        assert_eq!(later.registry.open(), 1);
    }

    #[tokio::test]
    async fn closing_reaches_open_sockets_and_those_that_come_later() {
        let registry = Registry::new(Duration::from_secs(1));
        let (early, late) = (Arc::new(Outbox::default()), Arc::new(Outbox::default()));
        let first = registry.register(&early);
        registry.close_all();
        let second = registry.register(&late);
        for outbox in [early, late] {
            assert_eq!(outbox.take().1.map(|close| close.code), Some(1012));
        }
        assert_eq!(registry.open(), 2);
        drop((first, second));
        registry.emptied().await;
    }
}
