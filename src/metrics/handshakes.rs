//! Handshakes, by what came of them.

use std::time::Duration;

use super::{
    count::{ByReason, Count, Histogram},
    exposition::Page,
};
use crate::reason::Reason;

/// What came of all handshakes since the start.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    accepted: Count,
    abandoned: Count,
    refused: ByReason,
    seconds: Histogram,
}

impl Handshakes {
    /// One was answered with 101, and its socket is open.
    pub(crate) fn accepted(&self, took: Duration) {
        self.accepted.one();
        self.seconds.observe(took);
    }

    /// How many were answered with 101.
    pub(crate) fn accepted_so_far(&self) -> u64 {
        self.accepted.get()
    }

    /// The client left before the answer.
    pub(crate) fn abandoned(&self) {
        self.abandoned.one();
    }

    /// One was refused, by a status or a close code.
    pub(crate) fn refused(&self, reason: Reason) {
        self.refused.one(reason);
    }

    pub(super) fn write(&self, page: &mut Page) {
        let mut family = page.counter(
            "sluicegate_handshakes",
            "WebSocket handshakes, by what came of them; reason says why one was refused.",
        );
        family.sample(&[("outcome", "accepted"), ("reason", "")], self.accepted.get());
        family.sample(&[("outcome", "abandoned"), ("reason", "")], self.abandoned.get());
        for (reason, count) in self.refused.all() {
            family.sample(&[("outcome", "refused"), ("reason", reason.code())], count);
        }
        let mut family =
            page.histogram("sluicegate_handshake_seconds", "From the head of an accepted handshake to its answer.");
        self.seconds.write(&mut family, &[]);
    }
}
