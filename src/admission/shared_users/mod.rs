//! How many sockets a user has open, over all sluicegates on one Redis.
//!
//! Each process keeps a hash of its own there, user by user, which ends by itself 15 s after its process did. Whoever wants
//! in is counted by a script that adds up the hashes of all processes. One script is under way at a time, and serves all
//! who came meanwhile; its numbers are those of this moment and not steps, so whatever was lost is right again with the
//! next one.

mod ledger;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ledger::{Ledger, Line};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};

use crate::{cache::KeyPattern, causes::with_causes, redis::RedisOptions, user::UserId};

/// How many users one script is about at most, so that Redis is not kept from others.
const MOST: usize = 256;

/// Where counts are shared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SharedUsersOptions {
    pub(crate) redis: RedisOptions,
    /// As for tickets: projects that share a Redis are kept apart by `KEY_PREFIX`.
    pub(crate) key: KeyPattern,
    /// How long one operation may take.
    pub(crate) timeout: Duration,
    /// How long a process's counts stay after it was killed; renewed three times meanwhile.
    pub(crate) lease: Duration,
}

impl SharedUsersOptions {
    /// How long a killed process's sockets count.
    pub(crate) const LEASE: Duration = Duration::from_secs(15);
}

/// The user has as many sockets as allowed, over all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HasEnough;

/// Counts users together with other processes, as long as [`run`](Self::run) does; else nobody is refused here.
pub(crate) struct SharedUsers {
    wanted: watch::Sender<Option<SharedUsersOptions>>,
    state: Mutex<State>,
    /// There is something for the next script.
    changed: Notify,
    alone: AtomicU64,
}

#[derive(Default)]
struct State {
    is_running: bool,
    /// How many sockets each user has here, without those who wait to be counted.
    open: HashMap<UserId, usize>,
    asked: Vec<Asked>,
    /// Whose number in Redis may be another one.
    stale: HashSet<UserId>,
}

struct Asked {
    user: UserId,
    most: usize,
    told: oneshot::Sender<Result<Counted, HasEnough>>,
}

/// A user's socket that is counted, until it is dropped.
pub(crate) struct Counted {
    users: Arc<SharedUsers>,
    user: UserId,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.users.lock();
        if let Some(open) = state.open.get_mut(&self.user) {
            *open -= 1;
            if *open == 0 {
                state.open.remove(&self.user);
            }
        }
        if state.is_running {
            state.stale.insert(self.user.clone());
            drop(state);
            self.users.changed.notify_one();
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl fmt::Debug for SharedUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedUsers")
    }
}

impl Default for SharedUsers {
    fn default() -> Self {
        Self {
            wanted: watch::Sender::new(None),
            state: Mutex::default(),
            changed: Notify::new(),
            alone: AtomicU64::new(0),
        }
    }
}

impl SharedUsers {
    /// Counts by `options` from now on; `None`: this process alone.
    pub(crate) fn set(&self, options: Option<SharedUsersOptions>) {
        self.wanted.send_if_modified(|wanted| {
            let is_other = *wanted != options;
            *wanted = options;
            is_other
        });
    }

    /// How many were let in by this process's own count, since Redis did not answer.
    pub(crate) fn alone(&self) -> u64 {
        self.alone.load(Ordering::Relaxed)
    }

    /// Counts one more socket of `user`, if they have no more than `most` with it.
    ///
    /// # Errors
    ///
    /// [`HasEnough`]. Where Redis does not answer the process's own count is all there is, and nobody is refused.
    pub(crate) async fn count(self: &Arc<Self>, user: &UserId, most: usize) -> Result<Counted, HasEnough> {
        let verdict = {
            let mut state = self.lock();
            if !state.is_running {
                return Ok(self.counted(&mut state, user));
            }
            let (told, verdict) = oneshot::channel();
            state.asked.push(Asked { user: user.clone(), most, told });
            verdict
        };
        self.changed.notify_one();
        // Nobody tells when the settings change in this moment.
        verdict.await.unwrap_or_else(|_| Ok(self.counted(&mut self.lock(), user)))
    }

    fn counted(self: &Arc<Self>, state: &mut State, user: &UserId) -> Counted {
        *state.open.entry(user.clone()).or_default() += 1;
        Counted { users: Arc::clone(self), user: user.clone() }
    }

    /// Keeps the counts in Redis until `ended` is ready, and takes them out.
    pub(crate) async fn run(self: Arc<Self>, mut ended: oneshot::Receiver<()>) {
        let mut wanted = self.wanted.subscribe();
        let mut is_over = false;
        while !is_over {
            let options = wanted.borrow_and_update().clone();
            let mut ledger = options.as_ref().and_then(open);
            self.begin(ledger.is_some());
            tokio::select! {
                changed = wanted.wait_for(|now| *now != options) => is_over = changed.is_err(),
                _ = &mut ended => is_over = true,
                () = self.keep(ledger.as_mut()) => {}
            }
            self.begin(false);
            if let Some(mut ledger) = ledger {
                // Whoever is still open is counted by what comes next, or by nobody.
                let _ = timeout(ledger.timeout(), ledger.leave()).await;
            }
        }
    }

    fn begin(&self, is_running: bool) {
        let mut state = self.lock();
        state.is_running = is_running;
        state.stale.clear();
        // Who waits is let in by this process's own count.
        state.asked.clear();
    }

    async fn keep(self: &Arc<Self>, ledger: Option<&mut Ledger>) {
        let Some(ledger) = ledger else { return std::future::pending().await };
        let mut is_away = false;
        // What was open before.
        self.all_are_stale();
        loop {
            let renewal = ledger.lease() / 3;
            let is_due = timeout(renewal, self.changed.notified()).await.is_err();
            let mut is_first = true;
            while let Some(batch) = self.next_batch(is_due && is_first) {
                is_first = false;
                is_away = self.settle(ledger, batch, is_away).await;
            }
        }
    }

    /// Runs one script, and tells who waits for it. Whether Redis is away.
    async fn settle(self: &Arc<Self>, ledger: &mut Ledger, batch: Batch, was_away: bool) -> bool {
        let Batch { lines, mut asked } = batch;
        match ledger.write(&lines).await {
            Ok(written) => {
                for (line, granted) in lines.iter().zip(written.granted) {
                    for (place, asked) in asked.remove(&line.user).unwrap_or_default().into_iter().enumerate() {
                        let verdict = if place < granted {
                            Ok(self.counted(&mut self.lock(), &line.user))
                        } else {
                            Err(HasEnough)
                        };
                        let _ = asked.told.send(verdict);
                    }
                }
                if was_away {
                    tracing::info!("the limit per user counts the sockets of all sluicegates again");
                }
                if written.is_anew || was_away {
                    self.all_are_stale();
                }
                false
            }
            Err(error) => {
                let waited = asked.values().map(Vec::len).sum::<usize>();
                self.alone.fetch_add(u64::try_from(waited).unwrap_or(u64::MAX), Ordering::Relaxed);
                for asked in asked.into_values().flatten() {
                    let counted = self.counted(&mut self.lock(), &asked.user);
                    let _ = asked.told.send(Ok(counted));
                }
                if !was_away {
                    let error = with_causes(&error);
                    tracing::warn!(error, "the limit per user counts the sockets of this process alone for now");
                }
                true
            }
        }
    }

    fn all_are_stale(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        if !state.open.is_empty() {
            state.stale.extend(state.open.keys().cloned());
            self.changed.notify_one();
        }
    }

    /// What the next script is about. `None`: nothing, and the lease is not due.
    fn next_batch(&self, is_due: bool) -> Option<Batch> {
        let mut state = self.lock();
        let mut asked: HashMap<UserId, Vec<Asked>> = HashMap::new();
        let mut later = Vec::new();
        for one in std::mem::take(&mut state.asked) {
            if asked.len() >= MOST && !asked.contains_key(&one.user) {
                later.push(one);
            } else if !one.told.is_closed() {
                asked.entry(one.user.clone()).or_default().push(one);
            }
        }
        state.asked = later;
        let room = MOST.saturating_sub(asked.len());
        let others =
            state.stale.iter().filter(|user| !asked.contains_key(user)).take(room).cloned().collect::<Vec<_>>();
        for user in asked.keys().chain(&others) {
            state.stale.remove(user);
        }
        let line = |user: &UserId, asked: &[Asked]| Line {
            user: user.clone(),
            open: state.open.get(user).copied().unwrap_or(0),
            wanted: asked.len(),
            most: asked.iter().map(|asked| asked.most).min().unwrap_or(0),
        };
        let mut lines = asked.iter().map(|(user, asked)| line(user, asked)).collect::<Vec<_>>();
        lines.extend(others.iter().map(|user| line(user, &[])));
        (!lines.is_empty() || is_due).then_some(Batch { lines, asked })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one script is about, and who waits for it.
struct Batch {
    lines: Vec<Line>,
    asked: HashMap<UserId, Vec<Asked>>,
}

fn open(options: &SharedUsersOptions) -> Option<Ledger> {
    match Ledger::open(options) {
        Ok(ledger) => Some(ledger),
        Err(error) => {
            tracing::warn!(%error, "the limit per user counts the sockets of this process alone");
            None
        }
    }
}
