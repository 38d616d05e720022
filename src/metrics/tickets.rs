//! Tickets, and the requests for them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{count::Count, exposition::Page};

/// What came of all tickets since the start.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    issued: Count,
    redeemed: Count,
    refused: ByName,
}

impl Tickets {
    /// The view answered with one.
    pub(crate) fn issued(&self) {
        self.issued.one();
    }

    /// A handshake took one out of the cache.
    pub(crate) fn redeemed(&self) {
        self.redeemed.one();
    }

    /// The view answered with none, for the reason of this code.
    pub(crate) fn refused(&self, code: &'static str) {
        self.refused.one(code);
    }

    /// How many the view answered with.
    pub(crate) fn issued_so_far(&self) -> u64 {
        self.issued.get()
    }

    /// How many requests got none.
    pub(crate) fn refused_so_far(&self) -> u64 {
        let mut refused = 0;
        self.refused.each(|_, count| refused += count);
        refused
    }

    pub(super) fn write(&self, page: &mut Page) {
        page.counter("sluicegate_tickets_issued", "Tickets that the ticket view answered with.")
            .sample(&[], self.issued.get());
        page.counter("sluicegate_tickets_redeemed", "Tickets that handshakes took out of the cache.")
            .sample(&[], self.redeemed.get());
        let mut family = page.counter("sluicegate_tickets_refused", "Requests for a ticket that got none, by reason.");
        self.refused.each(|reason, count| family.sample(&[("reason", reason)], count));
    }
}

/// Counts of things that are named in the code: few, and seldom.
#[derive(Debug, Default)]
pub(crate) struct ByName(Mutex<BTreeMap<&'static str, u64>>);

impl ByName {
    /// One more of this name.
    pub(crate) fn one(&self, name: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    /// Each name that there was, with its count.
    pub(crate) fn each(&self, mut see: impl FnMut(&'static str, u64)) {
        for (name, count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            see(name, *count);
        }
    }
}
