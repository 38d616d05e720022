//! Who waits for a turn, and what came of it.

use super::exposition::Page;
use crate::admission::{GateCounters, Gates};

/// Writes what happened at both gates since the start.
pub(crate) fn write(page: &mut Page, gates: &Gates) {
    let mut alone = page.counter(
        "sluicegate_shared_users_alone",
        "Handshakes whose user was counted by this process alone, since Redis did not answer.",
    );
    alone.sample(&[], gates.users.alone());
    let gates = [("handshake", gates.handshakes.counters()), ("ticket", gates.tickets.counters())];
    let mut entered =
        page.counter("sluicegate_admission", "Handshakes and requests for tickets by what came of their turn.");
    for (what, counters) in &gates {
        for (outcome, count) in outcomes(counters) {
            entered.sample(&[("for", what), ("outcome", outcome)], count);
        }
    }
    let mut waited =
        page.counter("sluicegate_admission_wait_seconds", "How long those who were let in after waiting had waited.");
    for (what, counters) in &gates {
        waited.sample(&[("for", what)], counters.waited.as_secs_f64());
    }
    let mut waiting = page.gauge("sluicegate_admission_waiting", "Who waits for a turn now.");
    for (what, counters) in &gates {
        waiting.sample(&[("for", what)], counters.waiting);
    }
    let mut working = page.gauge("sluicegate_admission_working", "Who is being worked for now.");
    for (what, counters) in &gates {
        working.sample(&[("for", what)], counters.working);
    }
}

fn outcomes(counters: &GateCounters) -> [(&'static str, u64); 5] {
    [
        ("at_once", counters.at_once),
        ("after_waiting", counters.after_waiting),
        ("line_full", counters.full),
        ("too_late", counters.late),
        ("left", counters.left),
    ]
}
