//! The times that messages are sorted by.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Gives times that strictly increase: two messages of one process never have the same place in a queue, and a clock
/// that is set back does not turn their order.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Microseconds since 1970: as doubles, all of them differ.
    last: AtomicU64,
}

/// A time, as a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

impl Clock {
    /// A time after all earlier ones; `now`, if that is one.
    pub(super) fn next(&self, now: SystemTime) -> Stamp {
        let micros = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let previous = self.last.fetch_max(micros, Ordering::SeqCst);
        if micros > previous {
            return Stamp(micros);
        }
        Stamp(self.last.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

impl Stamp {
    /// `int(time)`.
    pub(super) const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.seconds(), self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_strictly_increase_as_doubles_even_where_the_clock_does_not() {
        let (clock, now) = (Clock::default(), UNIX_EPOCH + Duration::from_micros(1_795_434_980_746_276));
        let stamps =
            [now, now, now - Duration::from_secs(5), now + Duration::from_micros(1), now].map(|now| clock.next(now));
        assert_eq!(stamps[0].to_string(), "1795434980.746276");
        let scores = stamps.map(|stamp| stamp.to_string().parse::<f64>().unwrap());
        assert!(scores.is_sorted_by(|one, next| one < next), "{scores:?}");
        let later = clock.next(now + Duration::from_secs(9));
        assert_eq!((later.to_string(), later.seconds()), ("1795434989.746276".to_owned(), 1_795_434_989));
    }
}
