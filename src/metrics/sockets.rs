//! The open sockets, as they are when a scrape comes: nothing is counted while they speak.

use std::collections::BTreeMap;

use super::exposition::Page;
use crate::websocket::OpenSockets;

/// Writes how many there are, and what waits for their clients.
pub(crate) fn write(page: &mut Page, open: &OpenSockets) {
    page.gauge("sluicegate_sockets", "Open WebSockets.").sample(&[], open.registry.open());
    page.gauge("sluicegate_sockets_max", "How many there can be: by the settings and by file descriptors.")
        .sample(&[], open.most());
    let mut routes = BTreeMap::new();
    open.roll.each(|connected| *routes.entry(connected.route.clone()).or_insert(0_usize) += 1);
    let mut admitted = page.gauge("sluicegate_sockets_admitted", "Open WebSockets that were let in by a ticket.");
    for (route, count) in &routes {
        admitted.sample(&[("route", route)], *count);
    }
    let waiting = open.registry.waiting();
    page.gauge("sluicegate_outbox_messages", "Frames and events that wait for their clients.")
        .sample(&[], waiting.messages);
    page.gauge("sluicegate_outbox_bytes", "How much that is.").sample(&[], waiting.bytes);
    page.gauge("sluicegate_outbox_sockets", "Sockets for which something waits.").sample(&[], waiting.sockets);
}
