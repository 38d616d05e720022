//! A gate that lets only so many work at once, and so many through in a second; the others wait in line.
//!
//! One task serves all who wait, and only while somebody does: none of them has a timer of its own.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    Rate,
    bucket::Bucket,
    line::{Client, Line},
    pace::Pace,
};
use crate::reason::Reason;

/// What a gate holds to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GateOptions {
    /// Off where not stated.
    pub(crate) rate: Option<Rate>,
    /// How many work at the same time.
    pub(crate) at_once: usize,
    /// How many may wait.
    pub(crate) waiting: usize,
    /// How long each may wait.
    pub(crate) wait: Duration,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLetIn {
    /// The line is full, or the turn did not come in time.
    Overloaded,
    /// The process is shutting down.
    Draining,
}

impl From<NotLetIn> for Reason {
    fn from(refused: NotLetIn) -> Self {
        match refused {
            NotLetIn::Overloaded => Self::Overloaded,
            NotLetIn::Draining => Self::Draining,
        }
    }
}

/// What happened at a gate, since it was built, and who is there now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct GateCounters {
    /// Let in without waiting.
    pub(crate) at_once: u64,
    /// Let in after they had waited.
    pub(crate) after_waiting: u64,
    /// How long these had waited, all together.
    pub(crate) waited: Duration,
    /// Refused, since the line was full.
    pub(crate) full: u64,
    /// Refused, having waited too long.
    pub(crate) late: u64,
    /// Left while they waited.
    pub(crate) left: u64,
    /// Who waits now.
    pub(crate) waiting: usize,
    /// Who is being worked for now.
    pub(crate) working: usize,
}

/// Where one waits to be let in.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Tells the task that serves the line that it may have to look at it earlier.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    options: GateOptions,
    bucket: Option<Bucket>,
    line: Line<Waiting>,
    pace: Pace,
    counters: GateCounters,
    is_closed: bool,
    /// Whether the task that serves the line runs.
    is_served: bool,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    told: oneshot::Sender<Result<Permit, NotLetIn>>,
}

/// Whom to tell what, once the lock is given back.
type Verdicts = Vec<(Waiting, Result<(), NotLetIn>)>;

/// Let in. Dropped when the work is done.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Gate>);

impl Gate {
    pub(crate) fn new(options: GateOptions) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            options,
            bucket: options.rate.map(|rate| Bucket::new(rate, now)),
            line: Line::default(),
            pace: Pace::new(now),
            counters: GateCounters::default(),
            is_closed: false,
            is_served: false,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Holds to `options` from now on. Who waits goes on waiting.
    pub(crate) fn set(&self, options: GateOptions) {
        {
            let mut state = self.lock();
            if state.options.rate != options.rate {
                state.bucket = options.rate.map(|rate| Bucket::new(rate, Instant::now()));
            }
            state.options = options;
        }
        self.changed.notify_one();
    }

    /// Waits until somebody from `address` is let in. Who is dropped while waiting leaves the line.
    ///
    /// # Errors
    ///
    /// [`NotLetIn`]: nothing was begun.
    pub(crate) async fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Permit, NotLetIn> {
        let (place, verdict) = match self.try_enter(address.into())? {
            Entrance::Open(permit) => return Ok(permit),
            Entrance::Line(place, verdict) => (place, verdict),
        };
        // Told by whoever takes it out of the line.
        let verdict = verdict.await.unwrap_or(Err(NotLetIn::Draining));
        drop(place);
        verdict
    }

    fn try_enter(self: &Arc<Self>, client: Client) -> Result<Entrance<'_>, NotLetIn> {
        let now = Instant::now();
        let (number, verdict, made_room) = {
            let mut state = self.lock();
            if state.is_closed {
                return Err(NotLetIn::Draining);
            }
            if state.line.is_empty() && state.take(now) {
                state.counters.at_once += 1;
                return Ok(Entrance::Open(Permit(Arc::clone(self))));
            }
            let mut made_room = None;
            if state.line.len() >= state.longest_line() {
                state.counters.full += 1;
                made_room = state.line.make_room(client);
                if made_room.is_none() {
                    return Err(NotLetIn::Overloaded);
                }
            }
            let (told, verdict) = oneshot::channel();
            let deadline = now + state.options.wait;
            let number = state.line.push(client, deadline, Waiting { since: now, told });
            if !state.is_served {
                state.is_served = true;
                tokio::spawn(Arc::clone(self).serve());
            }
            (number, verdict, made_room)
        };
        self.tell(made_room.map(|waiting| (waiting, Err(NotLetIn::Overloaded))));
        Ok(Entrance::Line(Place { gate: self, number }, verdict))
    }

    /// Sends all who wait away, and whoever comes from now on.
    pub(crate) fn close(&self) {
        let sent_away: Vec<_> = {
            let mut state = self.lock();
            state.is_closed = true;
            std::iter::from_fn(|| state.line.pop()).collect()
        };
        for waiting in sent_away {
            // It left.
            let _ = waiting.told.send(Err(NotLetIn::Draining));
        }
        self.changed.notify_one();
    }

    /// When those who wait now will have been let in, at the present pace.
    pub(crate) fn drained_in(&self) -> Duration {
        self.lock().drained_in(Instant::now())
    }

    pub(crate) fn counters(&self) -> GateCounters {
        let state = self.lock();
        GateCounters { waiting: state.line.len(), ..state.counters }
    }

    /// Lets in and sends away as it is time to, until nobody waits.
    async fn serve(self: Arc<Self>) {
        loop {
            let (verdicts, next) = {
                let mut state = self.lock();
                let now = Instant::now();
                let verdicts = state.turn(now);
                let next = state.next(now);
                state.is_served = next.is_some();
                (verdicts, next)
            };
            self.tell(verdicts);
            let Some(next) = next else { return };
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn tell(self: &Arc<Self>, verdicts: impl IntoIterator<Item = (Waiting, Result<(), NotLetIn>)>) {
        for (waiting, verdict) in verdicts {
            // Who has left meanwhile gives the permit back by dropping it.
            let _ = waiting.told.send(verdict.map(|()| Permit(Arc::clone(self))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one has to wait.
enum Entrance<'a> {
    Open(Permit),
    Line(Place<'a>, oneshot::Receiver<Result<Permit, NotLetIn>>),
}

/// A place in the line, given up when dropped.
struct Place<'a> {
    gate: &'a Gate,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if state.line.remove(self.number).is_some() {
            state.counters.left += 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Self(gate) = self;
        let verdicts = {
            let mut state = gate.lock();
            state.counters.working -= 1;
            let verdicts = state.turn(Instant::now());
            if !state.line.is_empty() {
                // It may have slept until the deadline, since nobody could be let in before.
                gate.changed.notify_one();
            }
            verdicts
        };
        gate.tell(verdicts);
    }
}

impl State {
    /// One more at work, if there may be one now.
    fn take(&mut self, now: Instant) -> bool {
        let is_free = self.counters.working < self.options.at_once;
        if !is_free || !self.bucket.as_mut().is_none_or(|bucket| bucket.take(now)) {
            return false;
        }
        self.counters.working += 1;
        self.pace.count(now);
        true
    }

    /// Lets in who may come in, and sends away who has waited too long.
    fn turn(&mut self, now: Instant) -> Verdicts {
        let mut verdicts = Verdicts::new();
        while !self.line.is_empty() && self.take(now) {
            if let Some(waiting) = self.line.pop() {
                self.counters.after_waiting += 1;
                self.counters.waited += now.saturating_duration_since(waiting.since);
                verdicts.push((waiting, Ok(())));
            }
        }
        while let Some(late) = self.line.pop_late(now) {
            self.counters.late += 1;
            verdicts.push((late, Err(NotLetIn::Overloaded)));
        }
        verdicts
    }

    /// When there is something to do again; `None` if nobody waits.
    fn next(&self, now: Instant) -> Option<Instant> {
        let deadline = self.line.deadline()?;
        let is_free = self.counters.working < self.options.at_once;
        Some(match &self.bucket {
            Some(bucket) if is_free => bucket.next(now).min(deadline),
            _ => deadline,
        })
    }

    /// Nobody is made to wait who cannot be let in in time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number above zero, cut at the largest"
    )]
    fn longest_line(&self) -> usize {
        let in_time = self.options.rate.map(|rate| (rate.per_second * self.options.wait.as_secs_f64()).ceil() as usize);
        in_time.map_or(self.options.waiting, |in_time| in_time.min(self.options.waiting))
    }

    fn drained_in(&mut self, now: Instant) -> Duration {
        let rate = self.options.rate.map(|rate| rate.per_second);
        let measured = self.pace.per_second(now).filter(|pace| *pace > 0.0);
        let pace = match (measured, rate) {
            (Some(measured), Some(rate)) => Some(measured.min(rate)),
            (measured, rate) => measured.or(rate),
        };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let waiting = self.line.len() as f64;
        let drained_in = pace.and_then(|pace| Duration::try_from_secs_f64(waiting / pace).ok());
        drained_in.unwrap_or(self.options.wait)
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const BOB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const SECOND: Duration = Duration::from_secs(1);

    fn options(at_once: usize, waiting: usize) -> GateOptions {
        GateOptions { rate: None, at_once, waiting, wait: 10 * SECOND }
    }

    fn with_rate(per_second: f64, burst: u32) -> GateOptions {
        GateOptions { rate: Some(Rate { per_second, burst }), ..options(64, 10_000) }
    }

    type Entering = JoinHandle<Result<Permit, NotLetIn>>;

    /// One more who wants to come in, and stands in the line if it has to.
    async fn come(gate: &Arc<Gate>, address: IpAddr) -> Entering {
        let gate = Arc::clone(gate);
        let entering = tokio::spawn(async move { gate.enter(address).await });
        tokio::task::yield_now().await;
        entering
    }

    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn waiting(gate: &Gate) -> usize {
        gate.counters().waiting
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_work_at_once_and_the_next_one_comes_in_when_one_is_done() {
        let gate = Gate::new(options(2, 10));
        let (first, _second) = (gate.enter(ALICE).await.unwrap(), gate.enter(ALICE).await.unwrap());
        let third = come(&gate, ALICE).await;
        let fourth = come(&gate, ALICE).await;
        tokio::time::sleep(SECOND).await;
        assert_eq!((waiting(&gate), gate.counters().working), (2, 2));
        drop(first);
        let third = third.await.unwrap().unwrap();
        assert!(!fourth.is_finished());
        drop(third);
        fourth.await.unwrap().unwrap();
        let counters = gate.counters();
        assert_eq!((counters.at_once, counters.after_waiting, counters.waited), (2, 2, 2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_however_many_come() {
        let gate = Gate::new(with_rate(10.0, 5));
        let start = Instant::now();
        let mut entering = Vec::new();
        for _ in 0..25 {
            entering.push(come(&gate, ALICE).await);
        }
        assert_eq!(waiting(&gate), 20);
        for (index, entering) in entering.into_iter().enumerate() {
            drop(entering.await.unwrap().unwrap());
            let tokens = u64::try_from(index + 1).unwrap().saturating_sub(5);
            let late = start.elapsed().checked_sub(Duration::from_millis(100 * tokens)).unwrap();
            assert!(late < Duration::from_millis(10), "{index}: {late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_deadline_and_who_is_late_costs_nothing() {
        let gate = Gate::new(options(1, 10));
        let working = gate.enter(ALICE).await.unwrap();
        let start = Instant::now();
        let late = come(&gate, BOB).await;
        assert!(matches!(late.await.unwrap(), Err(NotLetIn::Overloaded)));
        assert_eq!((start.elapsed().as_secs(), gate.counters().late, gate.counters().working), (10, 1, 1));
        drop(working);
        assert_eq!(gate.counters().working, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn past_a_full_line_one_is_refused_at_once() {
        let gate = Gate::new(options(1, 2));
        let _working = gate.enter(ALICE).await.unwrap();
        let (_first, _second) = (come(&gate, ALICE).await, come(&gate, ALICE).await);
        let start = Instant::now();
        assert!(matches!(gate.enter(ALICE).await, Err(NotLetIn::Overloaded)));
        assert_eq!((start.elapsed(), waiting(&gate), gate.counters().full), (Duration::ZERO, 2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_full_line_the_last_of_many_makes_room_for_another_client() {
        let gate = Gate::new(options(1, 3));
        let working = gate.enter(ALICE).await.unwrap();
        let mut alices = Vec::new();
        for _ in 0..3 {
            alices.push(come(&gate, ALICE).await);
        }
        let bob = come(&gate, BOB).await;
        assert!(matches!(alices.pop().unwrap().await.unwrap(), Err(NotLetIn::Overloaded)));
        assert_eq!(waiting(&gate), 3);
        drop(working);
        let first = alices.remove(0).await.unwrap().unwrap();
        drop(first);
        bob.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_made_to_wait_who_cannot_be_let_in_in_time() {
        let gate = Gate::new(with_rate(2.0, 1));
        drop(gate.enter(ALICE).await.unwrap());
        let mut entering = Vec::new();
        for _ in 0..30 {
            entering.push(come(&gate, ALICE).await);
        }
        assert_eq!((waiting(&gate), gate.counters().full), (20, 10));
        assert_eq!(gate.drained_in(), 10 * SECOND);
        for entering in &mut entering[..20] {
            assert!(entering.await.unwrap().is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_while_waiting_leaves_the_line_and_takes_no_token() {
        let gate = Gate::new(with_rate(1.0, 1));
        drop(gate.enter(ALICE).await.unwrap());
        let leaving = come(&gate, ALICE).await;
        let staying = come(&gate, ALICE).await;
        leaving.abort();
        settle().await;
        assert_eq!((waiting(&gate), gate.counters().left), (1, 1));
        let start = Instant::now();
        staying.await.unwrap().unwrap();
        assert_eq!(start.elapsed().as_secs(), 1, "the next token is the other one's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_nobody_takes_is_given_back() {
        let gate = Gate::new(options(1, 10));
        let working = gate.enter(ALICE).await.unwrap();
        let leaving = come(&gate, ALICE).await;
        // Let in and gone, before it could see the one.
        drop(working);
        leaving.abort();
        settle().await;
        assert_eq!(gate.counters().working, 0);
        drop(gate.enter(BOB).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn closing_empties_the_line_at_once() {
        let gate = Gate::new(options(1, 10));
        let _working = gate.enter(ALICE).await.unwrap();
        let waits = come(&gate, ALICE).await;
        gate.close();
        assert_eq!(waits.await.unwrap().unwrap_err(), NotLetIn::Draining);
        assert_eq!(gate.enter(ALICE).await.unwrap_err(), NotLetIn::Draining);
        settle().await;
        assert!(!gate.lock().is_served, "its task has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn new_settings_hold_for_those_who_wait() {
        let gate = Gate::new(options(1, 10));
        let _working = gate.enter(ALICE).await.unwrap();
        let waits = come(&gate, ALICE).await;
        gate.set(options(2, 10));
        waits.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn under_contention_nobody_is_lost_and_never_too_many_work() {
        let gate = Gate::new(options(3, 10_000));
        let most = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let entering: Vec<_> = (0..2000u32)
            .map(|number| {
                let (gate, most) = (Arc::clone(&gate), Arc::clone(&most));
                tokio::spawn(async move {
                    let address = IpAddr::from(number.to_be_bytes());
                    let entered = tokio::time::timeout(
                        if number % 7 == 0 { Duration::from_micros(200) } else { Duration::from_mins(1) },
                        gate.enter(address),
                    );
                    if let Ok(permit) = entered.await {
                        let _permit = permit.unwrap();
                        most.fetch_max(gate.counters().working, std::sync::atomic::Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for entering in entering {
            entering.await.unwrap();
        }
        let counters = gate.counters();
        assert!(most.load(std::sync::atomic::Ordering::SeqCst) <= 3);
        assert_eq!((counters.waiting, counters.working), (0, 0));
    }
}
