//! How long database, cache and channel layer take to answer.

use std::time::Duration;

use super::{
    count::{Counts, Histogram},
    exposition::Page,
};

/// What one part of the project is asked, with how long the answers took and how many there were not.
#[derive(Debug)]
pub(crate) struct Operations<const N: usize> {
    names: [&'static str; N],
    seconds: [Histogram; N],
    errors: Counts<N>,
}

impl<const N: usize> Operations<N> {
    fn new(names: [&'static str; N]) -> Self {
        Self { names, seconds: std::array::from_fn(|_| Histogram::default()), errors: Counts::default() }
    }

    /// One more answer, or none, after `took`.
    pub(crate) fn observe(&self, name: &str, took: Duration, is_answered: bool) {
        let Some(index) = self.names.iter().position(|known| *known == name) else { return };
        self.seconds[index].observe(took);
        if !is_answered {
            self.errors.one(index);
        }
    }

    fn write(&self, page: &mut Page, part: &str, whom: &str) {
        let mut family = page.histogram(
            &format!("sluicegate_{part}_seconds"),
            &format!("How long {whom} took to answer, or not to answer."),
        );
        for (name, seconds) in self.names.iter().zip(&self.seconds) {
            seconds.write(&mut family, &[("operation", name)]);
        }
        let mut family =
            page.counter(&format!("sluicegate_{part}_errors"), &format!("What {whom} did not answer, or refused."));
        for (index, name) in self.names.iter().enumerate() {
            family.sample(&[("operation", name)], self.errors.get(index));
        }
    }
}

/// The parts of the project that are asked.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// Django's database, whole questions: with the wait for a connection.
    pub(crate) database: Operations<6>,
    /// Django's cache.
    pub(crate) cache: Operations<4>,
    /// The channel layer.
    pub(crate) layer: Operations<6>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            database: Operations::new([
                "user_by_claim",
                "user_by_ticket",
                "user_by_name",
                "blacklist",
                "check",
                "ping",
            ]),
            cache: Operations::new(["issue", "redeem", "throttle", "ping"]),
            layer: Operations::new(["send", "group_send", "new_channel", "group_add", "group_discard", "round_trip"]),
        }
    }
}

impl Latencies {
    pub(super) fn write(&self, page: &mut Page) {
        self.database.write(page, "database", "Django's database");
        self.cache.write(page, "cache", "Django's cache");
        self.layer.write(page, "channel_layer", "the channel layer");
    }
}
