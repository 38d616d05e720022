//! Counted in this process alone.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use super::{Decision, ThrottleError, ThrottleStore, micros};

/// The most requests remembered, of all callers together: some 20 MiB. Beyond it all are forgotten, where Django's
/// `LocMemCache` drops a third of its 300 entries.
const CAPACITY: usize = 1_000_000;

#[derive(Default)]
pub(crate) struct InProcessThrottleStore {
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    by_key: HashMap<String, History>,
    /// The times in all histories.
    remembered: usize,
    /// How many there may be until expired ones are looked for.
    tidy_at: usize,
}

/// The times of allowed requests, the oldest first.
struct History {
    times: VecDeque<u64>,
    expires: u64,
}

#[async_trait]
impl ThrottleStore for InProcessThrottleStore {
    async fn allow(
        &self,
        key: &str,
        requests: u64,
        period: Duration,
        now: SystemTime,
    ) -> Result<Decision, ThrottleError> {
        // Nothing panics while it is held.
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(counters.allow(key, requests, period, micros(now)))
    }
}

impl Counters {
    fn allow(&mut self, key: &str, requests: u64, period: Duration, now: u64) -> Decision {
        self.tidy(now);
        let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let (held, oldest) = match self.by_key.get_mut(key) {
            None => (0, None),
            Some(History { times, .. }) => {
                while times.front().is_some_and(|oldest| oldest.saturating_add(period_us) <= now) {
                    times.pop_front();
                    self.remembered -= 1;
                }
                (times.len() as u64, times.front().copied())
            }
        };
        if held >= requests {
            return Decision::refused(requests, held, period, oldest, now);
        }
        let history =
            self.by_key.entry(key.to_owned()).or_insert_with(|| History { times: VecDeque::new(), expires: 0 });
        history.times.push_back(now);
        history.expires = now.saturating_add(period_us);
        self.remembered += 1;
        Decision::ALLOWED
    }

    /// Forgets expired histories each time that there are twice as many times as were left before, so that the work is a
    /// constant share of each request's.
    fn tidy(&mut self, now: u64) {
        if self.remembered < self.tidy_at.max(1000) {
            return;
        }
        self.by_key.retain(|_, history| history.expires > now);
        self.remembered = self.by_key.values().map(|history| history.times.len()).sum();
        if self.remembered >= CAPACITY {
            self.by_key.clear();
            self.remembered = 0;
        }
        self.tidy_at = (self.remembered * 2).min(CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CAPACITY, Counters};

    #[test]
    fn what_has_expired_is_forgotten_and_what_has_not_is_bounded() {
        let mut counters = Counters::default();
        for number in 0..5000 {
            counters.allow(&number.to_string(), 1, Duration::from_secs(1), number * 1_000_000);
        }
        assert!(counters.by_key.len() <= 1000, "{}", counters.by_key.len());
        for _ in 0..=CAPACITY {
            counters.allow("one", u64::MAX, Duration::from_hours(24), 5_000_000_000);
        }
        assert!(counters.remembered < CAPACITY);
    }
}
