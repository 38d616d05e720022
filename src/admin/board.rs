//! What the answers of the admin address are made from.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use axum::Router;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{
    Access,
    crowd::{Crowd, LastCrowd},
    page::Page,
    samples::{Samples, Totals},
};
use crate::{
    channel_layer::{COMMAND_GROUP, Counters, GroupSizes},
    commands::Commands,
    server::Site,
    websocket::OpenSockets,
};

/// Between two samples of the rates.
pub(super) const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The running server, as seen from the admin address.
pub(crate) struct Board {
    access: RwLock<Arc<Access>>,
    pub(super) open: Arc<OpenSockets>,
    pub(super) commands: Arc<Commands>,
    site: watch::Receiver<Arc<Site<Router>>>,
    /// When the process began to serve.
    pub(super) started: SystemTime,
    pub(super) samples: Samples,
    pub(super) page: Page,
    crowd: LastCrowd,
}

impl Board {
    pub(crate) fn new(
        access: Access,
        open: Arc<OpenSockets>,
        commands: Arc<Commands>,
        site: watch::Receiver<Arc<Site<Router>>>,
    ) -> Self {
        let access = RwLock::new(Arc::new(access));
        Self {
            access,
            open,
            commands,
            site,
            started: SystemTime::now(),
            samples: Samples::default(),
            page: Page::new(),
            crowd: LastCrowd::default(),
        }
    }

    /// Who may do what from here on.
    pub(crate) fn set_access(&self, access: Access) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What requests to the main address are answered by now.
    pub(super) fn site(&self) -> Arc<Site<Router>> {
        Arc::clone(&self.site.borrow())
    }

    /// Who was let in by a ticket, counted.
    pub(super) fn crowd(&self) -> Arc<Crowd> {
        self.crowd.of(&self.open)
    }

    /// The groups that sockets of this process are in; `None` where there is no channel layer.
    pub(super) fn groups(&self, most: usize) -> Option<GroupSizes> {
        let site = self.site();
        let layer = site.layer.as_ref()?;
        let hears = self.commands.layer().is_some_and(|hearing| Arc::ptr_eq(&hearing, layer));
        // By a channel of the process's own, which is no socket's.
        if !hears {
            return Some(layer.groups(most));
        }
        let mut sizes = layer.groups(most.saturating_add(1)).without(COMMAND_GROUP);
        sizes.largest.truncate(most);
        Some(sizes)
    }

    /// What the channel layer has received and lost; `None` where there is none.
    pub(super) fn layer_counters(&self) -> Option<Counters> {
        Some(self.site().layer.as_ref()?.counters())
    }

    /// Takes a sample of the rates every second. Never ends.
    pub(super) async fn sample(&self) {
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.samples.take(SystemTime::now(), self.totals());
        }
    }

    fn totals(&self) -> Totals {
        let layer = self.layer_counters().unwrap_or_default();
        Totals {
            sockets: self.open.registry.open(),
            admitted: self.open.metrics.handshakes.accepted_so_far(),
            refused: self.open.refusals.count(),
            issued: self.open.metrics.tickets.issued_so_far(),
            not_issued: self.open.metrics.tickets.refused_so_far(),
            received: layer.received,
            delivered: layer.delivered,
        }
    }
}
