//! What the channel layer received and lost.

use super::exposition::Page;
use crate::channel_layer::Counters;

/// Writes the sum over the layers of the process.
pub(crate) fn write(page: &mut Page, counters: &Counters) {
    page.counter("sluicegate_channel_layer_received", "Messages of the channel layer that came for this process.")
        .sample(&[], counters.received);
    page.counter("sluicegate_channel_layer_delivered", "Copies of them that went to sockets.")
        .sample(&[], counters.delivered);
    let mut lost = page.counter("sluicegate_channel_layer_lost", "Messages that reached nobody, by cause.");
    for (cause, count) in [
        ("over_capacity", counters.over_capacity),
        ("expired", counters.expired),
        ("undecodable", counters.undecodable),
        ("unknown", counters.unknown),
    ] {
        lost.sample(&[("cause", cause)], count);
    }
    page.counter(
        "sluicegate_channel_layer_repeated",
        "Messages that came once more after an outage, and were not delivered again.",
    )
    .sample(&[], counters.repeated);
    page.counter("sluicegate_channel_layer_outages", "Connections to a host of the channel layer that were lost.")
        .sample(&[], counters.outages);
    page.gauge(
        "sluicegate_channel_layer_queued",
        "Messages in this process's queues in Redis when they were last looked at.",
    )
    .sample(&[], counters.queued);
}
