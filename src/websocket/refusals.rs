//! The handshakes that were refused lately, for those who run the server.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::reason::Reason;

/// How many are remembered.
const REMEMBERED: usize = 300;
/// Of a longer path the beginning is kept.
const LONGEST_PATH: usize = 200;

/// One refused handshake. Never with its query string: there is the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedHandshake {
    /// How many were refused before it, and it.
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) reason: Reason,
    pub(crate) path: Box<str>,
    pub(crate) address: IpAddr,
}

/// The last refusals, of a bounded number, and how many there were in all.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    count: u64,
    last: VecDeque<RefusedHandshake>,
}

impl Refusals {
    /// One more.
    pub(super) fn add(&self, reason: Reason, path: &str, address: IpAddr, at: SystemTime) {
        let path = Box::from(&path[..path.floor_char_boundary(LONGEST_PATH)]);
        let mut remembered = self.lock();
        remembered.count += 1;
        let number = remembered.count;
        if remembered.last.len() == REMEMBERED {
            remembered.last.pop_front();
        }
        remembered.last.push_back(RefusedHandshake { number, at, reason, path, address });
    }

    /// Those after number `after`, the latest first.
    pub(crate) fn after(&self, after: u64) -> Vec<RefusedHandshake> {
        let remembered = self.lock();
        remembered.last.iter().rev().take_while(|refused| refused.number > after).cloned().collect()
    }

    /// How many there were since the start.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn add(refusals: &Refusals, path: &str) {
        refusals.add(Reason::NoRoute, path, IpAddr::from([127, 0, 0, 1]), UNIX_EPOCH);
    }

    #[test]
    fn the_latest_are_remembered_and_all_are_counted() {
        let refusals = Refusals::default();
        for index in 0..REMEMBERED + 5 {
            add(&refusals, &format!("/{index}"));
        }
        let all = refusals.after(0);
        assert_eq!((all.len(), refusals.count()), (REMEMBERED, REMEMBERED as u64 + 5));
        assert_eq!((all[0].path.as_ref(), all[REMEMBERED - 1].path.as_ref()), ("/304", "/5"));
        let since: Vec<_> = refusals.after(303).into_iter().map(|refused| refused.number).collect();
        assert_eq!(since, [305, 304]);
    }

    #[test]
    fn of_a_long_path_the_beginning_is_kept() {
        let refusals = Refusals::default();
        add(&refusals, &"ä".repeat(500));
        assert_eq!(refusals.after(0)[0].path.as_ref(), "ä".repeat(LONGEST_PATH / 2));
    }
}
