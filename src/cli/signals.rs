//! The signals that end a server.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::FAILED;
use crate::server::{Stop, Stopper};

/// SIGTERM and SIGINT, which are caught from the moment that this is made.
pub(super) struct StopSignals {
    terminations: Signal,
    interrupts: Signal,
}

impl StopSignals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminations: signal(SignalKind::terminate())?, interrupts: signal(SignalKind::interrupt())? })
    }

    /// Tells `stop` what each signal asks for. Never ends.
    pub(super) async fn follow(mut self, stop: Stopper) {
        loop {
            let asked = tokio::select! {
                _ = self.terminations.recv() => terminated(stop.asked()),
                _ = self.interrupts.recv() => interrupted(stop.asked()),
            };
            tracing::info!("{}", if asked == Stop::Abandon { "stopping at once" } else { "stopping" });
            stop.raise(asked);
        }
    }
}

/// What SIGTERM asks for: a drain; and where there is one already, its end.
fn terminated(now: Stop) -> Stop {
    if now < Stop::Spread { Stop::Spread } else { Stop::Abandon }
}

/// What Ctrl-C asks for: an end without spreading, since a person waits for it.
fn interrupted(now: Stop) -> Stop {
    if now < Stop::AtOnce { Stop::AtOnce } else { Stop::Abandon }
}

pub(super) fn none() -> u8 {
    eprintln!("sluicegate: the system gives no signal handlers");
    FAILED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_ends_what_the_first_began() {
        assert_eq!(terminated(Stop::No), Stop::Spread);
        assert_eq!(terminated(Stop::HandedOver), Stop::Spread, "who has handed over drains already");
        assert_eq!(terminated(Stop::Spread), Stop::Abandon);
        assert_eq!(interrupted(Stop::No), Stop::AtOnce);
        assert_eq!(interrupted(Stop::Spread), Stop::AtOnce);
        assert_eq!(interrupted(Stop::AtOnce), Stop::Abandon);
    }
}
