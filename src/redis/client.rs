//! The connection that all tasks of the process share, and its renewal.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{Cmd, FromRedisValue, Pipeline};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Dedicated, Published, RedisOptions, Subscriber,
    error::{Cause, RedisError},
    link::{InsteadOfGetDel, Link},
    primary::Primary,
    subscription,
};

/// How long nobody tries again after a first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, and so about the longest time after which a Redis that is back is seen.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Redis, as one shared connection that is made when first needed and made anew when it ended.
///
/// A command is sent once. If the connection ends before the answer, the caller is told so, and the next command finds
/// a new one. While no connection can be made, commands fail at once with the reason, but for one attempt at a time
/// that goes on in the background: nothing piles up.
#[derive(Clone)]
pub(crate) struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    primary: Primary,
    name: Arc<str>,
    timeout: Duration,
    state: Mutex<State>,
}

type Outcome = Option<Result<Arc<Link>, RedisError>>;

enum State {
    /// Not needed yet, or ended.
    Idle,
    Up(Arc<Link>),
    /// An attempt is under way; its outcome comes here.
    Dialling(watch::Receiver<Outcome>),
    Down {
        failures: u32,
        error: RedisError,
        until: Instant,
    },
}

impl Redis {
    /// Does not connect yet. `timeout` is for one command, connecting included.
    ///
    /// # Errors
    ///
    /// A file of the TLS options that cannot be read, by its name.
    pub(crate) fn new(options: &RedisOptions, timeout: Duration) -> io::Result<Self> {
        let primary = Primary::new(options)?;
        let name = primary.name().into();
        Ok(Self { shared: Arc::new(Shared { primary, name, timeout, state: Mutex::new(State::Idle) }) })
    }

    /// Sends `command`, once, and waits for its answer. `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; after [`Cause::Lost`] and [`Cause::TimedOut`] the command may have been executed.
    pub(crate) async fn send<T: FromRedisValue>(&self, command: &Cmd, name: &'static str) -> Result<T, RedisError> {
        self.with_link(async |link: &Link| link.send(command, name).await).await
    }

    /// Sends the commands of `pipeline` in one write, once, and waits for their answers. `name` is for messages.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); after an error that Redis answered, the other commands were executed.
    pub(crate) async fn send_all<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
        name: &'static str,
    ) -> Result<T, RedisError> {
        self.with_link(async |link: &Link| link.send_all(pipeline, name).await).await
    }

    /// A connection of the caller's own, for a command that waits: nothing is before or behind it, and it has no time
    /// limit.
    ///
    /// # Errors
    ///
    /// [`RedisError`] if it cannot be made within the time limit.
    pub(crate) async fn dedicated(&self) -> Result<Dedicated, RedisError> {
        self.shared.primary.open(self.shared.timeout).await.map(Dedicated::new)
    }

    /// A connection of the caller's own that can be subscribed to names.
    ///
    /// # Errors
    ///
    /// [`RedisError`] if it cannot be made within the time limit.
    pub(crate) async fn subscription(&self) -> Result<(Subscriber, Published), RedisError> {
        let link = self.shared.primary.open(self.shared.timeout).await?;
        subscription::open(&link, self.shared.timeout).await
    }

    /// The value of `key`, which is deleted with it: of several callers one gets it.
    ///
    /// `GETDEL` is sent at most once. Only a Redis that refused it, and so did not execute it, is asked in another way:
    /// by a transaction before 6.2, by `GET` and `DEL` where the user may send only those.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub(crate) async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, RedisError> {
        self.with_link(async |link: &Link| {
            let instead = if let Some(instead) = link.instead_of_getdel.get() {
                *instead
            } else {
                let refused = match link.send(redis::cmd("GETDEL").arg(key), "GETDEL").await {
                    Err(cause @ Cause::Refused { .. }) => cause,
                    answer => return answer,
                };
                let instead = match refused.code() {
                    // GETDEL has no other error of this kind.
                    Some("ERR") => InsteadOfGetDel::Transaction,
                    Some("NOPERM") => InsteadOfGetDel::Pair,
                    _ => return Err(refused),
                };
                *link.instead_of_getdel.get_or_init(|| instead)
            };
            let mut pipeline = Pipeline::new();
            pipeline.cmd("GET").arg(key).cmd("DEL").arg(key);
            if instead == InsteadOfGetDel::Transaction {
                pipeline.atomic();
            }
            let (value, deleted): (Option<Vec<u8>>, u64) = link.send_all(&pipeline, "GET, DEL").await?;
            Ok(value.filter(|_| deleted == 1))
        })
        .await
    }

    /// Runs `commands` on the connection, all within the time limit, and lets go of the connection if it has ended, is
    /// silent, or leads to a server that is no primary any more.
    async fn with_link<T>(&self, commands: impl AsyncFnOnce(&Link) -> Result<T, Cause>) -> Result<T, RedisError> {
        let deadline = Instant::now() + self.shared.timeout;
        let too_late = |address: &Arc<str>| RedisError {
            address: Arc::clone(address),
            cause: Cause::TimedOut(self.shared.timeout),
        };
        let link = match self.shared.open_link() {
            Some(link) => link,
            None => timeout_at(deadline, self.shared.link()).await.map_err(|_| too_late(&self.shared.name))??,
        };
        let error = match timeout_at(deadline, commands(&link)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(cause)) => RedisError { address: Arc::clone(&link.address), cause },
            Err(_) => too_late(&link.address),
        };
        if error.cause.ends_connection() {
            self.shared.let_go(&link);
        }
        Err(error)
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if there is one: the usual case.
    fn open_link(&self) -> Option<Arc<Link>> {
        match &*self.state() {
            State::Up(link) if !link.is_closed() => Some(Arc::clone(link)),
            _ => None,
        }
    }

    /// The connection, as soon as there is one.
    async fn link(self: &Arc<Self>) -> Result<Arc<Link>, RedisError> {
        let mut outcome = {
            let mut state = self.state();
            match &*state {
                State::Up(link) if !link.is_closed() => return Ok(Arc::clone(link)),
                State::Down { error, until, .. } if Instant::now() < *until => return Err(error.clone()),
                // Without its sender the attempt died with the runtime that it ran on.
                State::Dialling(outcome) if outcome.has_changed().is_ok() => outcome.clone(),
                _ => self.start_dialling(&mut state),
            }
        };
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            // The runtime that the attempt ran on is gone.
            _ => Err(RedisError { address: Arc::clone(&self.name), cause: Cause::Lost }),
        }
    }

    fn start_dialling(self: &Arc<Self>, state: &mut State) -> watch::Receiver<Outcome> {
        let failures = if let State::Down { failures, .. } = state { *failures } else { 0 };
        let (sender, outcome) = watch::channel(None);
        *state = State::Dialling(outcome.clone());
        // A task of its own, so that a caller who goes away or runs out of time takes no attempt with him.
        tokio::spawn(Arc::clone(self).dial(failures, sender));
        outcome
    }

    async fn dial(self: Arc<Self>, failures: u32, outcome: watch::Sender<Outcome>) {
        let result = self.primary.open(self.timeout).await.map(Arc::new);
        *self.state() = match &result {
            Ok(link) => {
                tracing::info!(redis.address = %link.address, "connected to Redis");
                State::Up(Arc::clone(link))
            }
            Err(error) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
                tracing::warn!(%error, failures = failures + 1, retry_ms = pause.as_millis(), "no connection to Redis");
                State::Down {
                    failures: failures.saturating_add(1),
                    error: error.clone(),
                    until: Instant::now() + pause,
                }
            }
        };
        outcome.send_replace(Some(result));
    }

    /// Drops `link`, unless another one has taken its place. Who waits for an answer on it may get it still.
    fn let_go(&self, link: &Arc<Link>) {
        let mut state = self.state();
        if matches!(&*state, State::Up(current) if Arc::ptr_eq(current, link)) {
            *state = State::Idle;
        }
    }
}
