//! How often an address may be wrong.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// After so many wrong tokens within the window, an address is not listened to until the window is over.
const MOST: u32 = 10;
/// How long wrong tokens count.
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are remembered; beyond that the one that began first is forgotten.
const ADDRESSES: usize = 1000;

/// The addresses that sent wrong tokens lately.
#[derive(Debug, Default)]
pub(super) struct WrongTokens(Mutex<HashMap<IpAddr, Wrong>>);

#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    since: Instant,
}

impl WrongTokens {
    /// How long an address has to wait until its tokens are looked at again.
    pub(super) fn locked_for(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let wrong = *self.lock().get(&address)?;
        let over = wrong.since + WINDOW;
        (wrong.count >= MOST && over > now).then(|| over - now)
    }

    /// One more.
    pub(super) fn add(&self, address: IpAddr, now: Instant) {
        let mut known = self.lock();
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, wrong| wrong.since + WINDOW > now);
            if known.len() >= ADDRESSES
                && let Some(first) = known.iter().min_by_key(|(_, wrong)| wrong.since).map(|(address, _)| *address)
            {
                known.remove(&first);
            }
        }
        let wrong = known.entry(address).or_insert(Wrong { count: 0, since: now });
        if wrong.since + WINDOW <= now {
            *wrong = Wrong { count: 0, since: now };
        }
        wrong.count = wrong.count.saturating_add(1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Wrong>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn an_address_that_is_wrong_too_often_waits_until_the_minute_is_over() {
        let (wrong, begun) = (WrongTokens::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(wrong.locked_for(address(1), begun), None);
            wrong.add(address(1), begun);
        }
        let later = begun + Duration::from_secs(20);
        assert_eq!(wrong.locked_for(address(1), later), Some(Duration::from_secs(40)));
        assert_eq!(wrong.locked_for(address(2), later), None, "others do not wait");
        assert_eq!(wrong.locked_for(address(1), begun + WINDOW), None);
        wrong.add(address(1), begun + WINDOW);
        assert_eq!(wrong.locked_for(address(1), begun + WINDOW), None, "the count begins anew");
    }

    #[test]
    fn a_bounded_number_of_addresses_is_remembered() {
        let (wrong, begun) = (WrongTokens::default(), Instant::now());
        for (number, second) in (0..3000).zip(0..) {
            wrong.add(address(number), begun + Duration::from_millis(second));
        }
        assert_eq!(wrong.lock().len(), ADDRESSES);
    }
}
