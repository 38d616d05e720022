//! The end of all sockets: none are admitted any more, and those that are open are closed, spread over a time.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{close::CloseFrame, outbox::Outbox, site::OpenSockets};

/// How often some are closed.
const STEP: Duration = Duration::from_millis(20);
/// So many are closed in a step where there are any: 50 a second.
const LEAST: usize = 1;

impl OpenSockets {
    /// From here on no socket is admitted, and handshakes that wait for their turn are sent away.
    pub(crate) fn stop_admitting(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        if let Some(site) = self.current() {
            site.gates.handshakes.close();
        }
    }

    /// Another process serves in this one's place from here on.
    pub(crate) fn succeeded(&self) {
        self.is_succeeded.store(true, Ordering::SeqCst);
    }

    /// Whether another process serves at the addresses that were this one's: who has connected to this one just before
    /// asks how that one is.
    pub(crate) fn is_succeeded(&self) -> bool {
        self.is_succeeded.load(Ordering::SeqCst)
    }

    /// Whether no socket is admitted any more, since the process ends.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Closes what is open with 1012, evenly over `time`, but no fewer than 50 a second; in no order, so that neither a
    /// user's sockets nor those of one moment end together. Those that were being admitted meanwhile are closed last.
    /// Ends when all have been told; where it is dropped, [`close_all`](Self::close_all) tells the rest.
    pub(crate) async fn close_over(&self, time: Duration) {
        let mut left = shuffled(self.registry.outboxes());
        let time = longest(left.len(), time);
        let begun = Instant::now();
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !left.is_empty() {
            steps.tick().await;
            let mut due = due(left.len(), time.saturating_sub(begun.elapsed()));
            while due > 0
                && let Some(outbox) = left.pop()
            {
                if let Some(outbox) = outbox.upgrade() {
                    outbox.close_with(CloseFrame::restart());
                    due -= 1;
                }
            }
        }
        self.close_all();
    }

    /// Closes what is open now, and what comes later, with 1012.
    pub(crate) fn close_all(&self) {
        self.registry.close_all();
    }
}

/// The time that so many sockets take.
pub(crate) fn longest(sockets: usize, time: Duration) -> Duration {
    let steps = u32::try_from(sockets.div_ceil(LEAST)).unwrap_or(u32::MAX);
    time.min(STEP.saturating_mul(steps))
}

/// How many of `left` are to be closed in this step, when `time` is left.
fn due(left: usize, time: Duration) -> usize {
    let steps = usize::try_from(time.as_nanos() / STEP.as_nanos()).unwrap_or(usize::MAX);
    left.div_ceil(steps.max(1)).max(LEAST)
}

/// In another order, each time.
fn shuffled(mut outboxes: Vec<Weak<Outbox>>) -> Vec<Weak<Outbox>> {
    let order = RandomState::new();
    outboxes.sort_by_cached_key(|outbox| order.hash_one(outbox.as_ptr() as usize));
    outboxes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::websocket::Registry;

    struct Open {
        sockets: Arc<OpenSockets>,
        outboxes: Vec<Arc<Outbox>>,
        registrations: Vec<crate::websocket::registry::Registration>,
    }

    fn open(count: usize) -> Open {
        let sockets = Arc::new(OpenSockets::new(Registry::new(Duration::from_secs(1)), count, Arc::default()));
        let outboxes: Vec<Arc<Outbox>> = (0..count).map(|_| Arc::default()).collect();
        let registrations = outboxes.iter().map(|outbox| sockets.registry.register(outbox)).collect();
        Open { sockets, outboxes, registrations }
    }

    impl Open {
        fn closed(&self) -> usize {
            self.outboxes.iter().filter(|outbox| outbox.is_closed()).count()
        }

        fn drain(&self, time: Duration) -> tokio::task::JoinHandle<()> {
            let sockets = Arc::clone(&self.sockets);
            tokio::spawn(async move { sockets.close_over(time).await })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_are_closed_evenly_over_the_time() {
        let open = open(10_000);
        let draining = open.drain(Duration::from_secs(20));
        let mut before = 0;
        for second in 1..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let closed = open.closed();
            assert!((450..=550).contains(&(closed - before)), "second {second}: {}", closed - before);
            before = closed;
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(draining.is_finished());
        assert_eq!(open.closed(), 10_000);
        assert_eq!(open.outboxes[0].take().1.map(|close| close.code), Some(1012));
    }

    #[tokio::test(start_paused = true)]
    async fn few_sockets_do_not_take_all_the_time() {
        let open = open(100);
        let begun = Instant::now();
        open.drain(Duration::from_secs(20)).await.unwrap();
        assert_eq!(open.closed(), 100);
        assert!((1900..2100).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        let begun = Instant::now();
        self::open(0).drain(Duration::from_secs(20)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_all_are_closed_at_once() {
        let open = open(5000);
        let begun = Instant::now();
        open.drain(Duration::ZERO).await.unwrap();
        assert_eq!((open.closed(), begun.elapsed()), (5000, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_that_end_by_themselves_are_not_waited_for_and_those_that_come_are_closed_last() {
        let mut open = open(1000);
        let draining = open.drain(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(1)).await;
        open.outboxes.truncate(100);
        open.registrations.truncate(100);
        let late = Arc::new(Outbox::default());
        let _late = open.sockets.registry.register(&late);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!late.is_closed());
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(draining.is_finished() && late.is_closed());
        assert_eq!(open.closed(), 100);
    }

    #[test]
    fn the_order_is_not_that_of_their_coming() {
        let outboxes: Vec<Arc<Outbox>> = (0..1000).map(|_| Arc::default()).collect();
        let weak: Vec<_> = outboxes.iter().map(Arc::downgrade).collect();
        let mixed = shuffled(weak.clone());
        let kept = mixed.iter().zip(&weak).filter(|(mixed, weak)| mixed.ptr_eq(weak)).count();
        assert!(kept < 50, "{kept}");
    }
}
