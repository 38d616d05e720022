//! How fast those who wait are being served.

use std::time::Duration;

use tokio::time::Instant;

/// Over how long it is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts who is served, second by second.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    served: u32,
    /// In the last whole window.
    per_second: Option<f64>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, served: 0, per_second: None }
    }

    pub(super) fn count(&mut self, now: Instant) {
        self.turn(now);
        self.served += 1;
    }

    /// How many are served in a second; `None` as long as it is not known.
    pub(super) fn per_second(&mut self, now: Instant) -> Option<f64> {
        self.turn(now);
        self.per_second
    }

    fn turn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            self.per_second = Some(f64::from(self.served) / elapsed.as_secs_f64());
            (self.since, self.served) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 0..50 {
            pace.count(start);
        }
        assert_eq!(pace.per_second(start), None);
        assert_eq!(pace.per_second(start + WINDOW), Some(50.0));
        assert_eq!(pace.per_second(start + 2 * WINDOW), Some(0.0), "nobody is served any more");
    }
}
