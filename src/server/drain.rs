//! The end of a server: its sockets are closed and its requests answered, within a bounded time.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::stop::{Stop, Stopper};
use crate::websocket::{OpenSockets, longest_drain};

/// How long stopping may take, besides the closing of sockets: requests that are still being answered.
const GRACE: Duration = Duration::from_secs(10);
/// How long sockets may take to leave where no time is given: their close frames are written, their groups left.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long those may take to be admitted who had connected when another process took over: what a handshake may wait for
/// its turn, and a little more.
const LAST_HANDSHAKES: Duration = Duration::from_secs(15);
/// How often it is looked whether all of them are.
const LOOK: Duration = Duration::from_millis(10);

/// How long a drain may take, besides the time that sockets are closed over.
pub(super) fn longest(close_timeout: Duration) -> Duration {
    LAST_HANDSHAKES + close_timeout + GRACE
}

/// The connections of the process, each of which holds a permit.
pub(super) struct Connections {
    pub(super) permits: Arc<Semaphore>,
    /// How many there can be.
    pub(super) most: usize,
    /// Held by those who have asked for nothing yet, and by handshakes that are not answered yet.
    pub(super) undecided: Arc<()>,
}

impl Connections {
    fn open(&self) -> usize {
        self.most - self.permits.available_permits()
    }

    /// Waits until all who have connected were admitted or refused.
    async fn decided(&self) {
        while Arc::strong_count(&self.undecided) > 1 {
            sleep(LOOK).await;
        }
    }

    /// Waits until there are none.
    async fn gone(&self) {
        let everything = u32::try_from(self.most).unwrap_or(u32::MAX);
        // Never closed.
        let _ = self.permits.acquire_many(everything).await;
    }
}

/// Closes the sockets over `time`, or at once where `stop` asks for it, and waits until all connections are gone, for no
/// longer than a close may take. Where another process serves already, who had connected is admitted before.
pub(super) async fn drain(
    open: &OpenSockets,
    connections: &Connections,
    time: Duration,
    close_timeout: Duration,
    stop: &Stopper,
) {
    if stop.asked() == Stop::HandedOver {
        tokio::select! {
            () = connections.decided() => {}
            () = sleep(LAST_HANDSHAKES) => {}
            () = stop.reaches(Stop::AtOnce) => {}
        }
    }
    open.stop_admitting();
    let sockets = open.registry.open();
    let time = if stop.asked() < Stop::AtOnce { longest_drain(sockets, time) } else { Duration::ZERO };
    tracing::info!(sockets, seconds = time.as_secs_f64(), "closing sockets");
    let over = async {
        tokio::select! {
            () = open.close_over(time) => {}
            () = stop.reaches(Stop::AtOnce) => open.close_all(),
        }
        timeout(close_timeout + GRACE, connections.gone()).await.is_ok()
    };
    let is_over = tokio::select! {
        is_over = over => is_over,
        () = stop.reaches(Stop::Abandon) => {
            open.close_all();
            timeout(LAST_WORDS, connections.gone()).await.is_ok()
        }
    };
    let dropped = open.registry.open();
    let closed = sockets.saturating_sub(dropped);
    if is_over {
        tracing::info!(closed, "all sockets are closed");
    } else {
        let connections = connections.open();
        tracing::warn!(closed, dropped, connections, "connections that did not end in time are dropped");
    }
}
