//! How far another machine's clock is from this one's.

use std::time::{Duration, Instant, SystemTime};

/// How often the other clock is asked: the quickest answer says most.
const QUESTIONS: usize = 3;

/// What another machine's clock shows, beside this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockOffset {
    /// In microseconds; negative where the other clock is behind.
    pub(crate) ahead: i64,
    /// Half of the way there and back: when within it the other clock was read is not known.
    pub(crate) uncertainty: Duration,
}

impl ClockOffset {
    /// Asks several times for the microseconds since 1970, and takes the answer that came soonest.
    pub(crate) async fn measure<E>(mut ask: impl AsyncFnMut() -> Result<i64, E>) -> Result<Self, E> {
        let mut best: Option<Self> = None;
        for _ in 0..QUESTIONS {
            let (begun, at) = (Instant::now(), SystemTime::now());
            let theirs = ask().await?;
            let offset = Self::of(theirs, at, begun.elapsed());
            if best.is_none_or(|best| offset.uncertainty < best.uncertainty) {
                best = Some(offset);
            }
        }
        Ok(best.unwrap_or(Self { ahead: 0, uncertainty: Duration::MAX }))
    }

    /// `theirs`: read at some time in the `took` from `at` on.
    fn of(theirs: i64, at: SystemTime, took: Duration) -> Self {
        let uncertainty = took / 2;
        let ours = at.checked_add(uncertainty).unwrap_or(at).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ours = i64::try_from(ours.as_micros()).unwrap_or(i64::MAX);
        Self { ahead: theirs.saturating_sub(ours), uncertainty }
    }

    /// By how much the clocks differ for certain.
    pub(crate) fn at_least(&self) -> Duration {
        Duration::from_micros(self.ahead.unsigned_abs()).saturating_sub(self.uncertainty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_there_and_back_is_taken_out() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let offset = ClockOffset::of(1_007_500_000, at, Duration::from_secs(1));
        assert_eq!(offset, ClockOffset { ahead: 7_000_000, uncertainty: Duration::from_millis(500) });
        assert_eq!(offset.at_least(), Duration::from_millis(6500));
        let behind = ClockOffset::of(999_000_000, at, Duration::ZERO);
        assert_eq!((behind.ahead, behind.at_least()), (-1_000_000, Duration::from_secs(1)));
        assert_eq!(ClockOffset::of(1_000_900_000, at, Duration::from_secs(2)).at_least(), Duration::ZERO);
    }
}
