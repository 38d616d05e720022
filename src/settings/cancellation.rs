//! What ends the project's Python before it has said everything, since nobody will hear it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Held by all who read settings and by the one who may end it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancellation(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    running: usize,
}

impl Cancellation {
    /// Ends what runs, and whatever begins from here on; waits until it has ended, but no longer than `longest`.
    pub(crate) fn cancel(&self, longest: Duration) {
        let mut state = self.state();
        state.is_cancelled = true;
        // Whoever runs on after that is not waited for.
        let _ = self.0.ended.wait_timeout_while(state, longest, |state| state.running > 0);
    }

    /// Whether what runs is to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.state().is_cancelled
    }

    /// To be held while something runs that a cancellation is to wait for.
    pub(super) fn running(&self) -> Running {
        self.state().running += 1;
        Running(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something runs, until this is dropped.
pub(super) struct Running(Cancellation);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.0.ended.notify_all();
    }
}
