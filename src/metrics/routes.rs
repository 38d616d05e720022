//! What befell the sockets of each route. The counts outlive a reload of the settings.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::exposition::Page;
use crate::consumer::{Cause, Tally};

/// A tally for each route, by its pattern as written.
#[derive(Debug, Default)]
pub(crate) struct Routes(Mutex<BTreeMap<String, Arc<Tally>>>);

impl Routes {
    /// The tally of a route: the same one for each reading of the settings.
    pub(crate) fn tally(&self, route: &str) -> Arc<Tally> {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = routes.get(route) {
            return Arc::clone(tally);
        }
        Arc::clone(routes.entry(route.to_owned()).or_default())
    }

    pub(super) fn write(&self, page: &mut Page) {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let families = [
            (
                "sluicegate_socket_drops",
                "Events that clients were too slow for, and clients that were closed for it.",
                &[Cause::EventDropped, Cause::EventReplaced, Cause::ClientTooSlow][..],
            ),
            (
                "sluicegate_consumer_failures",
                "Consumers that answered an error or panicked.",
                &[Cause::ConsumerFailed, Cause::ConsumerPanicked][..],
            ),
        ];
        for (name, help, causes) in families {
            let mut family = page.counter(name, help);
            for (route, tally) in &*routes {
                for cause in causes {
                    family.sample(&[("route", route), ("cause", cause.code())], tally.of(*cause));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Format;

    #[test]
    fn a_routes_counts_outlive_its_settings() {
        let routes = Routes::default();
        routes.tally("ws/").count("ws/", Cause::EventDropped, 2);
        routes.tally("ws/").count("ws/", Cause::EventDropped, 1);
        let mut page = Page::new(Format::OpenMetrics);
        routes.write(&mut page);
        let page = page.finish();
        assert!(page.contains("sluicegate_socket_drops_total{route=\"ws/\",cause=\"event_dropped\"} 3\n"), "{page}");
    }
}
