//! `[limits]`, as far as it is about crowds.

use std::time::Duration;

use super::gate::GateOptions;

/// How many handshakes and ticket requests are worked on, and what becomes of the others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdmissionOptions {
    /// `handshakes_per_second` and `handshakes_burst`. Default: unlimited.
    pub(crate) handshakes: Option<Rate>,
    /// `tickets_per_second` and `tickets_burst`. Default: unlimited.
    pub(crate) tickets: Option<Rate>,
    /// `at_once`: how many are worked on at the same time. Default: 256.
    pub(crate) at_once: usize,
    /// `waiting`: how many may wait for their turn. Default: 10,000.
    pub(crate) waiting: usize,
    /// `wait`: how long each may wait. Default: 10 s.
    pub(crate) wait: Duration,
    /// `share_users`: `connections_per_user` counts over all sluicegates on the cache's Redis. Default: true.
    pub(crate) share_users: bool,
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        Self {
            handshakes: None,
            tickets: None,
            at_once: 256,
            waiting: 10_000,
            wait: Duration::from_secs(10),
            share_users: true,
        }
    }
}

impl AdmissionOptions {
    pub(super) fn handshakes(&self) -> GateOptions {
        self.gate(self.handshakes)
    }

    pub(super) fn tickets(&self) -> GateOptions {
        self.gate(self.tickets)
    }

    fn gate(&self, rate: Option<Rate>) -> GateOptions {
        GateOptions { rate, at_once: self.at_once, waiting: self.waiting, wait: self.wait }
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// How many a second, in the long run. Above zero.
    pub(crate) per_second: f64,
    /// How many at once after a quiet time.
    pub(crate) burst: u32,
}
