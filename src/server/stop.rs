//! How far the server is to stop.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

/// What is asked of a server that is to stop. It only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// It serves.
    #[default]
    No,
    /// As [`Spread`](Self::Spread), and another process has its listener already.
    HandedOver,
    /// No new sockets; those that are open are closed over a time, so that their clients do not all come back at once.
    Spread,
    /// No new sockets; those that are open are closed now, and have the time that a close takes.
    AtOnce,
    /// What is open is dropped.
    Abandon,
}

/// Where it is said, and seen, how far a server is to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopper(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stop: watch::Sender<Stop>,
    /// The process that has taken over.
    successor: OnceLock<u32>,
}

impl Stopper {
    /// Asks for no less than `stop`.
    pub(crate) fn raise(&self, stop: Stop) {
        self.0.stop.send_if_modified(|now| {
            let is_more = stop > *now;
            *now = stop.max(*now);
            is_more
        });
    }

    /// Another process has the listener, of this number where it is known.
    pub(crate) fn hand_over(&self, successor: Option<u32>) {
        if let Some(pid) = successor {
            // There is but one.
            let _ = self.0.successor.set(pid);
        }
        self.raise(Stop::HandedOver);
    }

    /// The process that has taken over.
    pub(crate) fn successor(&self) -> Option<u32> {
        self.0.successor.get().copied()
    }

    /// What is asked for now.
    pub(crate) fn asked(&self) -> Stop {
        *self.0.stop.borrow()
    }

    /// Waits until no less than `stop` is asked for.
    pub(crate) async fn reaches(&self, stop: Stop) {
        // The sender is here, so there is always one.
        let _ = self.0.stop.subscribe().wait_for(|now| *now >= stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_goes_on_and_never_back() {
        let stopper = Stopper::default();
        let waiting = tokio::spawn({
            let stopper = stopper.clone();
            async move { stopper.reaches(Stop::AtOnce).await }
        });
        stopper.raise(Stop::Spread);
        stopper.reaches(Stop::HandedOver).await;
        assert!(!waiting.is_finished());
        stopper.raise(Stop::Abandon);
        stopper.raise(Stop::Spread);
        assert_eq!(stopper.asked(), Stop::Abandon);
        waiting.await.unwrap();
    }
}
