//! What the process counts, for Prometheus: `/metrics` on the admin address.
//!
//! A part of the program that has something to count gets a file here, with a struct of numbers and a `write` that puts
//! them on the page. What can be asked for when a scrape comes is not counted again: see [`Metrics::sample`]. No label has
//! values without bound: never a user, an address or a path; routes by their pattern, as written.

pub(crate) mod admission;
pub(crate) mod channel_layer;
mod count;
mod ended;
mod exposition;
mod handshakes;
mod http;
mod latencies;
mod lookups;
mod process;
mod reloads;
mod routes;
pub(crate) mod sockets;
mod tickets;
mod watched;

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(crate) use count::{Count, Histogram};
use ended::Ended;
pub(crate) use exposition::{Format, Page};
use handshakes::Handshakes;
pub(crate) use http::Handler;
use http::Requests;
use latencies::Latencies;
use lookups::Lookups;
use process::Process;
use reloads::Reloads;
use routes::Routes;
use tickets::Tickets;
pub(crate) use watched::{PoolUsage, UpstreamServer};
use watched::{Pools, Upstreams};

/// The numbers of one process. They outlive a reload of the settings.
#[derive(Default)]
pub(crate) struct Metrics {
    process: Process,
    pub(crate) handshakes: Handshakes,
    pub(crate) ended: Ended,
    pub(crate) tickets: Tickets,
    pub(crate) http: Requests,
    pub(crate) routes: Routes,
    pub(crate) latencies: Latencies,
    pub(crate) lookups: Lookups,
    pub(crate) pools: Pools,
    pub(crate) upstreams: Upstreams,
    pub(crate) reloads: Reloads,
    samplers: Mutex<Vec<Sampler>>,
}

type Sampler = Box<dyn Fn(&mut Page) + Send + Sync>;

impl Metrics {
    /// Asks `sampler` at each scrape. It is to write families that nobody else writes, and not to wait for anything.
    pub(crate) fn sample(&self, sampler: impl Fn(&mut Page) + Send + Sync + 'static) {
        self.samplers().push(Box::new(sampler));
    }

    /// The answer to a scrape, whose `Content-Type` is that of `format`.
    pub(crate) fn encode(&self, format: Format) -> String {
        let mut page = Page::new(format);
        self.process.write(&mut page);
        self.handshakes.write(&mut page);
        self.ended.write(&mut page);
        self.tickets.write(&mut page);
        self.http.write(&mut page);
        self.routes.write(&mut page);
        self.latencies.write(&mut page);
        self.lookups.write(&mut page);
        self.pools.write(&mut page);
        self.upstreams.write(&mut page);
        self.reloads.write(&mut page);
        for sampler in self.samplers().iter() {
            sampler(&mut page);
        }
        page.finish()
    }

    fn samplers(&self) -> MutexGuard<'_, Vec<Sampler>> {
        self.samplers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeSet, HashSet},
        sync::Arc,
        time::Duration,
    };

    use super::*;
    use crate::{
        admission::Gates,
        channel_layer::Counters,
        reason::Reason,
        websocket::{OpenSockets, Registry},
    };

    #[test]
    fn every_family_is_written_once_and_in_one_piece() {
        let metrics = Metrics::default();
        metrics.handshakes.accepted(Duration::from_millis(2));
        metrics.handshakes.refused(Reason::NoRoute);
        metrics.sample(|page| page.gauge("sluicegate_sampled", "Asked for.").sample(&[], 7_u64));
        let page = metrics.encode(Format::OpenMetrics);
        let families: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let names: HashSet<_> = families.iter().map(|family| family.split(' ').next().unwrap()).collect();
        assert_eq!(names.len(), families.len());
        assert!(page.contains("sluicegate_handshakes_total{outcome=\"refused\",reason=\"no_route\"} 1\n"), "{page}");
        assert!(page.contains("sluicegate_sampled 7\n") && page.ends_with("# EOF\n"), "{page}");
        for name in names {
            assert!(name.starts_with("sluicegate_") || name.starts_with("process_"), "{name}");
        }
    }

    /// Name and kind, of every table with four columns.
    fn documented() -> BTreeSet<(&'static str, &'static str)> {
        let rows = include_str!("../../docs/observability.md").lines().filter_map(|line| line.strip_prefix("| `"));
        let cells = rows.map(|row| row.split('|').collect::<Vec<_>>()).filter(|cells| cells.len() == 5);
        cells.map(|cells| (cells[0].trim_end_matches(['`', ' ']), cells[1].trim())).collect()
    }

    #[test]
    fn the_page_of_observability_has_every_metric_and_no_other() {
        if cfg!(not(target_os = "linux")) {
            return; // where little is known of a process
        }
        let metrics = Metrics::default();
        let mut page = Page::new(Format::Text);
        admission::write(&mut page, &Gates::default());
        channel_layer::write(&mut page, &Counters::default());
        sockets::write(&mut page, &OpenSockets::new(Registry::new(Duration::from_secs(1)), 1, Arc::default()));
        let page = metrics.encode(Format::Text) + &page.finish();
        let kinds = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let mut written: BTreeSet<_> = kinds.collect();
        // Written by the listener's certificate, of which there is none here.
        written.insert(("sluicegate_tls_certificate_not_after_timestamp_seconds", "gauge"));
        let documented = documented();
        let (only_written, only_documented) = (&written - &documented, &documented - &written);
        assert!(
            written == documented,
            "not in docs/observability.md: {only_written:?}; only there: {only_documented:?}"
        );
    }
}
