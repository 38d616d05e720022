//! Whose turn it is, where more handshakes and ticket requests come than can be worked on: some wait, some are sent away
//! with a time to come back.

mod bucket;
mod gate;
mod line;
mod options;
mod pace;
mod retry_after;
mod shared_users;

use std::sync::Arc;

#[cfg(test)]
pub(crate) use gate::Permit;
pub(crate) use gate::{Gate, GateCounters, NotLetIn};
pub(crate) use options::{AdmissionOptions, Rate};
pub(crate) use retry_after::RetryAfter;
pub(crate) use shared_users::{Counted, HasEnough, SharedUsers, SharedUsersOptions};

/// The gates of one process, which outlive a reload of the settings.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Before a ticket is redeemed.
    pub(crate) handshakes: Arc<Gate>,
    /// Before a token is checked and a ticket issued.
    pub(crate) tickets: Arc<Gate>,
    /// Who has how many sockets, here and elsewhere.
    pub(crate) users: Arc<SharedUsers>,
}

impl Gates {
    pub(crate) fn new(options: &AdmissionOptions) -> Self {
        Self {
            handshakes: Gate::new(options.handshakes()),
            tickets: Gate::new(options.tickets()),
            users: Arc::default(),
        }
    }

    /// Holds to `options` from now on.
    pub(crate) fn set(&self, options: &AdmissionOptions) {
        self.handshakes.set(options.handshakes());
        self.tickets.set(options.tickets());
    }
}

impl Default for Gates {
    fn default() -> Self {
        Self::new(&AdmissionOptions::default())
    }
}
