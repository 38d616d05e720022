//! How many sockets a user or an address may have open, counted exactly: what is held is given back on every way out.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::user::UserId;

/// The counts of one process. Where a limit is off nothing is counted, so a limit that is switched on later counts the
/// sockets opened from then on.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    all: Arc<AtomicUsize>,
    routes: Mutex<HashMap<Box<str>, Arc<AtomicUsize>>>,
    users: Arc<Counts<UserId>>,
    addresses: Arc<Counts<IpAddr>>,
}

impl Limits {
    /// One more socket in all, if there may be one.
    pub(crate) fn any(&self, max: usize) -> Option<HeldAny> {
        one_more(&self.all, max)
    }

    /// One more socket of this route, by its pattern as written.
    pub(crate) fn route(&self, route: &str, max: usize) -> Option<HeldAny> {
        let open = {
            let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            match routes.get(route) {
                Some(open) => Arc::clone(open),
                None => Arc::clone(routes.entry(route.into()).or_default()),
            }
        };
        one_more(&open, max)
    }

    /// One more socket of this user. `None` as `max`: no limit.
    pub(crate) fn user(&self, user: &UserId, max: Option<usize>) -> Result<Option<Held<UserId>>, Exceeded> {
        hold(&self.users, user, max)
    }

    /// One more socket of this address. `None` as `max`: no limit.
    pub(crate) fn address(&self, address: IpAddr, max: Option<usize>) -> Result<Option<Held<IpAddr>>, Exceeded> {
        hold(&self.addresses, &address, max)
    }
}

fn one_more(open: &Arc<AtomicUsize>, max: usize) -> Option<HeldAny> {
    let one_more = |open: usize| (open < max).then_some(open + 1);
    open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
    Some(HeldAny(Arc::clone(open)))
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded;

type Counts<K> = Mutex<HashMap<K, usize>>;

fn hold<K: Clone + Eq + Hash>(
    counts: &Arc<Counts<K>>,
    key: &K,
    max: Option<usize>,
) -> Result<Option<Held<K>>, Exceeded> {
    let Some(max) = max else { return Ok(None) };
    let mut open = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let held = open.get(key).copied().unwrap_or(0);
    if held >= max {
        return Err(Exceeded);
    }
    open.insert(key.clone(), held + 1);
    drop(open);
    Ok(Some(Held { counts: Arc::clone(counts), key: key.clone() }))
}

/// One socket counted in all, or of a route; given back when dropped.
#[derive(Debug)]
pub(crate) struct HeldAny(Arc<AtomicUsize>);

impl Drop for HeldAny {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One socket counted for a user or an address; given back when dropped.
pub(crate) struct Held<K: Eq + Hash> {
    counts: Arc<Counts<K>>,
    key: K,
}

impl<K: Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let mut open = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash> fmt::Debug for Held<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let limits = Limits::default();
        let user = UserId::Int(1);
        let first = limits.user(&user, Some(2)).unwrap();
        let second = limits.user(&user, Some(2)).unwrap();
        assert_eq!(limits.user(&user, Some(2)).unwrap_err(), Exceeded);
        assert!(limits.user(&UserId::Int(2), Some(2)).is_ok(), "another user");
        drop(first);
        assert!(limits.user(&user, Some(2)).is_ok());
        drop(second);
        assert!(limits.users.lock().unwrap().is_empty(), "no entry stays behind");
    }

    #[test]
    fn a_limit_that_is_off_counts_nothing() {
        let limits = Limits::default();
        assert!(limits.address(IpAddr::from([127, 0, 0, 1]), None).unwrap().is_none());
        assert!(limits.addresses.lock().unwrap().is_empty());
    }

    #[test]
    fn routes_are_counted_each_for_itself() {
        let limits = Limits::default();
        let first = limits.route("ws/chat/", 1).unwrap();
        assert!(limits.route("ws/chat/", 1).is_none());
        let _other = limits.route("ws/room/", 1).unwrap();
        let _second = limits.route("ws/chat/", 2).expect("a reload that allows more counts those that are open");
        drop(first);
        assert!(limits.route("ws/chat/", 2).is_some());
    }

    #[test]
    fn the_limit_of_all_is_exact_under_contention() {
        let limits = Limits::default();
        let held: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| limits.any(5))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(held.len(), 5);
        drop(held);
        assert_eq!(limits.all.load(Ordering::SeqCst), 0);
    }
}
