//! `Retry-After`: when a client should come back, said to no two in the same words.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use http::HeaderValue;

/// How long a fault that passes by itself is expected to last, where nothing is known of it.
const USUAL: Duration = Duration::from_secs(4);
/// Nobody is sent away for longer than this on average.
const LONGEST: Duration = Duration::from_mins(1);

/// Whole seconds until a client should try again. They are spread: clients that were refused together would otherwise
/// come back together, and be refused again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryAfter(u64);

impl RetryAfter {
    /// For a fault that passes by itself: 1 to 9 seconds.
    pub(crate) fn usual() -> Self {
        Self::once_over(USUAL)
    }

    /// For what is over after `time`, as far as is known: from 1 second to 1 and twice that time.
    pub(crate) fn once_over(time: Duration) -> Self {
        Self::spread(time, RandomState::new().build_hasher().finish())
    }

    fn spread(time: Duration, random: u64) -> Self {
        let time = time.min(LONGEST);
        let most = 2 * (time.as_secs() + u64::from(time.subsec_nanos() > 0));
        Self(1 + random % (most + 1))
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<RetryAfter> for HeaderValue {
    fn from(RetryAfter(seconds): RetryAfter) -> Self {
        Self::from(seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn clients_are_spread_evenly_over_twice_the_time() {
        let told = |time| (0..1000).map(|random| RetryAfter::spread(time, random).0).collect::<BTreeSet<_>>();
        assert_eq!(told(Duration::from_millis(2500)), (1..=7).collect());
        assert_eq!(told(Duration::ZERO), BTreeSet::from([1]));
        assert_eq!(told(Duration::MAX), (1..=121).collect());
    }

    #[test]
    fn two_clients_are_hardly_told_the_same() {
        let told: BTreeSet<_> = (0..200).map(|_| RetryAfter::once_over(LONGEST).to_string()).collect();
        assert!(told.len() > 20, "{told:?}");
    }
}
