//! Numbers that many tasks change.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::exposition::{Family, Labels};
use crate::reason::Reason;

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(crate) fn one(&self) {
        self.add(1);
    }

    /// As many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count for each of a fixed list of things.
#[derive(Debug)]
pub(crate) struct Counts<const N: usize>([Count; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

impl<const N: usize> Counts<N> {
    /// One more of the thing with this place in the list.
    pub(crate) fn one(&self, index: usize) {
        if let Some(count) = self.0.get(index) {
            count.one();
        }
    }

    /// As many more.
    pub(crate) fn add(&self, index: usize, more: u64) {
        if let Some(count) = self.0.get(index) {
            count.add(more);
        }
    }

    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Count::get)
    }
}

/// A count for each [`Reason`].
#[derive(Debug, Default)]
pub(crate) struct ByReason(Counts<{ Reason::ALL.len() }>);

impl ByReason {
    /// One more for this reason.
    pub(crate) fn one(&self, reason: Reason) {
        self.0.one(reason as usize);
    }

    /// As many more for this reason.
    pub(crate) fn add(&self, reason: Reason, more: usize) {
        self.0.add(reason as usize, u64::try_from(more).unwrap_or(u64::MAX));
    }

    /// Each reason with its count.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.0.get(reason as usize)))
    }
}

/// How long things took: up to each bound, and in all.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: Counts<{ BOUNDS.len() }>,
    count: Count,
    nanoseconds: Count,
}

/// In seconds: a cache on the same machine answers within the first, and time-outs lie between the last ones.
const BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Histogram {
    /// One more observation.
    pub(crate) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.buckets.one(BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len()));
        self.count.one();
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    pub(crate) fn write(&self, family: &mut Family<'_>, labels: Labels<'_>) {
        let mut so_far = 0;
        let buckets = BOUNDS.iter().enumerate().map(|(index, bound)| {
            so_far += self.buckets.get(index);
            (*bound, so_far)
        });
        let buckets: Vec<_> = buckets.collect();
        // Counted while this is written, an observation may be in a bucket and not in the count.
        let count = self.count().max(so_far);
        let seconds = Duration::from_nanos(self.nanoseconds.get()).as_secs_f64();
        family.distribution(labels, buckets, count, seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::exposition::{Format, Page};

    #[test]
    fn the_list_of_reasons_has_the_order_of_the_enum() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason}");
        }
        let counts = ByReason::default();
        counts.one(Reason::Draining);
        assert!(counts.all().all(|(reason, count)| count == u64::from(reason == Reason::Draining)));
    }

    #[test]
    fn an_observation_is_in_every_bucket_that_it_fits() {
        let histogram = Histogram::default();
        for milliseconds in [1, 3, 20_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let mut page = Page::new(Format::Text);
        histogram.write(&mut page.histogram("x", "x"), &[]);
        let page = page.finish();
        for line in [
            "x_bucket{le=\"0.0005\"} 0",
            "x_bucket{le=\"0.001\"} 1",
            "x_bucket{le=\"0.005\"} 2",
            "x_bucket{le=\"10.0\"} 2",
            "x_bucket{le=\"+Inf\"} 3",
            "x_count 3",
            "x_sum 20.004",
        ] {
            assert!(page.lines().any(|written| written == line), "{line}\n{page}");
        }
    }
}
