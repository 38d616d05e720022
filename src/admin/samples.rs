//! What happened in each of the last seconds, for the charts of the page.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde_json::{Value, json};

use super::{answer::timestamp, board::SAMPLE_INTERVAL};

/// How many are kept: five minutes.
const KEPT: usize = 300;

/// The counts since the start, of which a sample has what was added, and the sockets that are open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) sockets: usize,
    /// Handshakes.
    pub(super) admitted: u64,
    pub(super) refused: u64,
    /// Tickets that were issued here.
    pub(super) issued: u64,
    /// Requests for a ticket that got none.
    pub(super) not_issued: u64,
    /// Messages of the channel layer that came for this process.
    pub(super) received: u64,
    /// Copies of them that went to sockets.
    pub(super) delivered: u64,
}

#[derive(Debug)]
struct Sample {
    number: u64,
    at: SystemTime,
    /// What was added since the sample before; `sockets` as they are.
    counts: Totals,
}

/// The samples of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    last: Option<Totals>,
    samples: VecDeque<Sample>,
}

impl Samples {
    pub(super) fn take(&self, at: SystemTime, totals: Totals) {
        let mut kept = self.lock();
        // A count begins anew where a reload has put another channel layer in place.
        let counts =
            kept.last.replace(totals).map_or(Totals { sockets: totals.sockets, ..Totals::default() }, |last| Totals {
                sockets: totals.sockets,
                admitted: totals.admitted.saturating_sub(last.admitted),
                refused: totals.refused.saturating_sub(last.refused),
                issued: totals.issued.saturating_sub(last.issued),
                not_issued: totals.not_issued.saturating_sub(last.not_issued),
                received: totals.received.saturating_sub(last.received),
                delivered: totals.delivered.saturating_sub(last.delivered),
            });
        kept.count += 1;
        let number = kept.count;
        if kept.samples.len() == KEPT {
            kept.samples.pop_front();
        }
        kept.samples.push_back(Sample { number, at, counts });
    }

    /// Those after number `after`, the oldest first.
    pub(super) fn after(&self, after: u64) -> Value {
        let kept = self.lock();
        let new = kept.samples.iter().filter(|sample| sample.number > after);
        json!({
            "interval_seconds": SAMPLE_INTERVAL.as_secs(),
            "kept": KEPT,
            "samples": new.map(Sample::to_json).collect::<Vec<_>>(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sample {
    fn to_json(&self) -> Value {
        let Totals { sockets, admitted, refused, issued, not_issued, received, delivered } = self.counts;
        json!({
            "number": self.number,
            "at": timestamp(self.at),
            "sockets": sockets,
            "admitted": admitted,
            "refused": refused,
            "issued": issued,
            "not_issued": not_issued,
            "received": received,
            "delivered": delivered,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_sample_has_what_was_added_since_the_one_before() {
        let samples = Samples::default();
        for (sockets, delivered) in [(5, 100), (7, 130), (6, 4)] {
            samples.take(UNIX_EPOCH, Totals { sockets, delivered, ..Totals::default() });
        }
        let told = samples.after(1);
        let [second, third] = told["samples"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!((&second["number"], &second["sockets"], &second["delivered"]), (&json!(2), &json!(7), &json!(30)));
        assert_eq!(second["at"], "1970-01-01T00:00:00Z");
        assert_eq!(third["delivered"], 0, "a count that began anew is not negative");
    }

    #[test]
    fn five_minutes_are_kept() {
        let samples = Samples::default();
        for _ in 0..KEPT + 20 {
            samples.take(UNIX_EPOCH, Totals::default());
        }
        let told = samples.after(0);
        let told = told["samples"].as_array().unwrap();
        assert_eq!((told.len(), &told[0]["number"]), (KEPT, &json!(21)));
    }
}
