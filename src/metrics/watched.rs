//! Things that come and go with the settings, and are asked how they are when a scrape comes.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{count::Histogram, exposition::Page};

/// What each thing answers for as long as it is there.
type Look<T> = Box<dyn Fn() -> Option<T> + Send + Sync>;

/// Things of one kind.
pub(crate) struct Watched<T>(Mutex<Vec<Look<T>>>);

impl<T> Default for Watched<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl<T> Watched<T> {
    /// Asks `look` at each scrape, until it answers `None`.
    pub(crate) fn watch(&self, look: impl Fn() -> Option<T> + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(look));
    }

    fn look(&self) -> Vec<T> {
        let mut states = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|look| {
            let state = look();
            let is_there = state.is_some();
            states.extend(state);
            is_there
        });
        states
    }
}

/// A pool of connections to a database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolUsage {
    /// How many connections there may be.
    pub(crate) max: usize,
    pub(crate) in_use: usize,
    pub(crate) idle: usize,
}

/// The pools of the process.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// By what the pool is for.
    pub(crate) usage: Watched<(&'static str, PoolUsage)>,
    /// How long a question had to wait for a connection, where all were in use.
    pub(crate) waits: std::sync::Arc<Histogram>,
}

impl Pools {
    pub(super) fn write(&self, page: &mut Page) {
        let pools = self.usage.look();
        // After a reload the old pool is there until its last question is answered: both count.
        let sum = |name: &str, field: fn(&PoolUsage) -> usize| -> usize {
            pools.iter().filter(|(pool, _)| *pool == name).map(|(_, usage)| field(usage)).sum()
        };
        let mut names: Vec<_> = pools.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        let mut gauge = |name: &str, help: &str, field: fn(&PoolUsage) -> usize| {
            let mut family = page.gauge(name, help);
            for name in &names {
                family.sample(&[("pool", name)], sum(name, field));
            }
        };
        gauge("sluicegate_database_pool_connections_max", "Connections that the pool may have.", |usage| usage.max);
        gauge("sluicegate_database_pool_connections_in_use", "Connections that answer a question.", |usage| {
            usage.in_use
        });
        gauge("sluicegate_database_pool_connections_idle", "Connections that wait for a question.", |usage| usage.idle);
        let mut family = page.histogram(
            "sluicegate_database_pool_wait_seconds",
            "How long questions waited for a connection, those that had to.",
        );
        self.waits.write(&mut family, &[]);
    }
}

/// A server of `[upstream]`.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamServer {
    pub(crate) address: String,
    pub(crate) is_up: bool,
    /// Requests in flight and open sockets.
    pub(crate) busy: usize,
}

/// The servers of the process's upstreams.
#[derive(Debug, Default)]
pub(crate) struct Upstreams(pub(crate) Watched<Vec<UpstreamServer>>);

impl Upstreams {
    pub(super) fn write(&self, page: &mut Page) {
        let mut servers: Vec<UpstreamServer> = Vec::new();
        for server in self.0.look().into_iter().flatten() {
            match servers.iter_mut().find(|known| known.address == server.address) {
                // Of another route, or of the settings before a reload.
                Some(known) => {
                    known.busy += server.busy;
                    known.is_up = server.is_up;
                }
                None => servers.push(server),
            }
        }
        let mut family = page.gauge("sluicegate_upstream_up", "Whether a server of Django's accepts connections.");
        for server in &servers {
            family.sample(&[("server", &server.address)], server.is_up);
        }
        let mut family = page.gauge("sluicegate_upstream_busy", "Requests in flight and open sockets of a server.");
        for server in &servers {
            family.sample(&[("server", &server.address)], server.busy);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::exposition::Format;

    #[test]
    fn what_is_gone_is_asked_no_more_and_pools_of_one_name_add_up() {
        let pools = Pools::default();
        let (old, new) = (Arc::new(1), Arc::new(2));
        for pool in [&old, &new] {
            let pool = Arc::downgrade(pool);
            pools.usage.watch(move || pool.upgrade().map(|n| ("users", PoolUsage { max: 10, in_use: *n, idle: 0 })));
        }
        let written = |pools: &Pools| {
            let mut page = Page::new(Format::Text);
            pools.write(&mut page);
            page.finish()
        };
        assert!(written(&pools).contains("connections_in_use{pool=\"users\"} 3\n"));
        drop(old);
        assert!(written(&pools).contains("connections_in_use{pool=\"users\"} 2\n"));
        assert_eq!(pools.usage.0.lock().unwrap().len(), 1);
    }
}
