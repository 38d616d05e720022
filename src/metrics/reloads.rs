//! Settings that were read again.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{count::Count, exposition::Page};

/// What came of the reloads since the start.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    done: Count,
    failed: Count,
    /// In seconds since 1970; 0: none.
    last_done: AtomicU64,
}

impl Reloads {
    /// One more, at `now`.
    pub(crate) fn count(&self, is_done: bool, now: SystemTime) {
        if is_done {
            self.done.one();
            self.last_done.store(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(), Ordering::Relaxed);
        } else {
            self.failed.one();
        }
    }

    pub(super) fn write(&self, page: &mut Page) {
        let mut family = page.counter("sluicegate_reloads", "Settings that were read again while the server ran.");
        family.sample(&[("outcome", "done")], self.done.get());
        family.sample(&[("outcome", "failed")], self.failed.get());
        page.gauge(
            "sluicegate_last_reload_timestamp_seconds",
            "When settings were last reloaded, in seconds since 1970; 0: never.",
        )
        .sample(&[], self.last_done.load(Ordering::Relaxed));
    }
}
