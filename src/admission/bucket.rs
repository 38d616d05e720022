//! A token bucket, kept as one point in time.

use std::time::Duration;

use tokio::time::Instant;

use super::Rate;

/// Lets so many through as its rate says. A full bucket lets `burst` through at once.
///
/// Instead of tokens it keeps the time at which it will be full again (the generic cell rate algorithm), so nothing is
/// filled up by a timer, and no rounding adds up.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Between two of those that pass at a steady rate.
    interval: Duration,
    /// From empty to full, less one interval.
    tolerance: Duration,
    full_at: Instant,
}

impl Bucket {
    /// Full at `now`.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        // As good as never, where the rate is next to nothing.
        let interval = Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::from_hours(24));
        Self { interval, tolerance: interval.saturating_mul(rate.burst.max(1) - 1), full_at: now }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.next(now) > now {
            return false;
        }
        self.full_at = self.full_at.max(now) + self.interval;
        true
    }

    /// When there is a token: `now`, or later.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let full_in = self.full_at.saturating_duration_since(now);
        now + full_in.saturating_sub(self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(per_second: f64, burst: u32) -> (Bucket, Instant) {
        let now = Instant::now();
        (Bucket::new(Rate { per_second, burst }, now), now)
    }

    #[test]
    fn a_full_bucket_lets_a_burst_through_and_then_the_rate() {
        let (mut bucket, start) = bucket(10.0, 3);
        assert_eq!((0..9).filter(|_| bucket.take(start)).count(), 3);
        assert_eq!(bucket.next(start), start + Duration::from_millis(100));
        assert!(!bucket.take(start + Duration::from_millis(99)));
        assert!(bucket.take(start + Duration::from_millis(100)));
        assert!(!bucket.take(start + Duration::from_millis(100)));
    }

    #[test]
    fn a_long_rest_gives_no_more_than_a_burst() {
        let (mut bucket, start) = bucket(100.0, 5);
        while bucket.take(start) {}
        let later = start + Duration::from_hours(1);
        assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 5);
    }

    #[test]
    fn a_rate_below_one_in_a_second_is_kept_too() {
        let (mut bucket, start) = bucket(0.5, 1);
        assert!(bucket.take(start));
        assert_eq!(bucket.next(start), start + Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            per_second in 0.1f64..1000.0, burst in 1u32..50, pauses in prop::collection::vec(0u64..50, 1..300),
        ) {
            let (mut bucket, start) = bucket(per_second, burst);
            let (mut now, mut passed) = (start, 0.0);
            for pause in pauses {
                now += Duration::from_millis(pause);
                passed += f64::from(u8::from(bucket.take(now)));
            }
            let most = f64::from(burst) + (now - start).as_secs_f64() * per_second;
            prop_assert!(passed <= most + 1e-6, "{passed} of {most}");
        }
    }
}
