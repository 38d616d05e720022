//! What befalls the sockets of a route, counted by cause.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted. The names are in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Too much waited for a client, and its socket was closed with 1013.
    ClientTooSlow,
    /// An event that waited made room for another.
    EventDropped,
    /// An event that waited was replaced by a later one of its type.
    EventReplaced,
    /// A consumer answered an error.
    ConsumerFailed,
    /// A consumer panicked.
    ConsumerPanicked,
}

impl Cause {
    const COUNT: usize = 5;

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::ClientTooSlow => "client_too_slow",
            Self::EventDropped => "event_dropped",
            Self::EventReplaced => "event_replaced",
            Self::ConsumerFailed => "consumer_failed",
            Self::ConsumerPanicked => "consumer_panicked",
        }
    }
}

/// The counts of one route.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Cause::COUNT]);

impl Tally {
    /// Counts `more` of `cause`. The log has the first, the tenth, the hundredth and so on.
    pub(crate) fn count(&self, route: &str, cause: Cause, more: usize) {
        if more == 0 {
            return;
        }
        let more = more as u64;
        let count = self.0[cause as usize].fetch_add(more, Ordering::Relaxed) + more;
        if magnitude(count) > magnitude(count - more) {
            tracing::warn!(route, cause = cause.code(), count, "counted for a route's sockets");
        }
    }

    /// How often `cause` was counted.
    pub(crate) fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize].load(Ordering::Relaxed)
    }
}

/// How many digits; none for 0.
const fn magnitude(count: u64) -> u32 {
    match count.checked_ilog10() {
        Some(digits) => digits + 1,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_counted_apart() {
        let tally = Tally::default();
        for (cause, more) in [(Cause::EventDropped, 2), (Cause::ClientTooSlow, 1), (Cause::EventDropped, 0)] {
            tally.count("ws/", cause, more);
        }
        assert_eq!((tally.of(Cause::EventDropped), tally.of(Cause::ClientTooSlow)), (2, 1));
        assert_eq!([0, 1, 9, 10, 99, 100].map(magnitude), [0, 1, 1, 2, 2, 3]);
    }
}
