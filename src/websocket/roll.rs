//! Who is connected: every socket that was admitted by a ticket, those of Django's consumers too.
//!
//! Nothing here is touched while a socket speaks: an entry is made when its ticket was redeemed, and gone with it.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use super::{close::CloseFrame, outbox::Outbox};
use crate::user::UserId;

const SHARDS: usize = 16;
/// Nothing expires.
const NEVER: i64 = i64::MAX;

/// The admitted sockets of this process.
#[derive(Debug)]
pub(crate) struct Roll {
    shards: [Mutex<Shard>; SHARDS],
    /// Of the next entry.
    number: AtomicU64,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Shard {
    slots: Vec<Option<Box<Entry>>>,
    free: Vec<u32>,
    /// No entry expires before; in seconds since 1970.
    expires: i64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    connected: ConnectedSocket,
    outbox: Arc<Outbox>,
}

/// One admitted socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectedSocket {
    pub(crate) user: UserId,
    /// `get_username()`, where the project's user model has one.
    pub(crate) username: Option<Box<str>>,
    /// Its route, as written in the settings.
    pub(crate) route: Arc<str>,
    pub(crate) address: IpAddr,
    pub(crate) since: SystemTime,
    /// Where something is known of it that matters later.
    pub(crate) token: Option<Box<TokenFacts>>,
}

/// What is known of the access token that a ticket was issued for. `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenFacts {
    /// When its socket is to be closed, in seconds since 1970: its `exp` and the leeway.
    pub(crate) expires: Option<i64>,
    /// Its id, where there is a blacklist.
    pub(crate) jti: Option<Box<str>>,
    /// The MD5 of the stored password, as in `REVOKE_TOKEN_CLAIM`, where `CHECK_REVOKE_TOKEN` is on.
    pub(crate) password: Option<[u8; 16]>,
}

impl std::fmt::Debug for TokenFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenFacts(***)")
    }
}

impl TokenFacts {
    /// What is worth keeping.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// A socket in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its own, as long as the process runs.
    pub(crate) number: u64,
    pub(crate) connected: ConnectedSocket,
}

impl Roll {
    pub(crate) fn new() -> Arc<Self> {
        let shard = |_| Mutex::new(Shard { slots: Vec::new(), free: Vec::new(), expires: NEVER });
        Arc::new(Self { shards: std::array::from_fn(shard), number: AtomicU64::new(0), count: AtomicUsize::new(0) })
    }

    /// Enters a socket, until the answer is dropped.
    pub(super) fn enter(self: &Arc<Self>, connected: ConnectedSocket, outbox: &Arc<Outbox>) -> Presence {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let shard_index = usize::try_from(number).unwrap_or(0) % SHARDS;
        let expires = connected.expires();
        let entry = Some(Box::new(Entry { number, connected, outbox: Arc::clone(outbox) }));
        let mut shard = self.shard(shard_index);
        shard.expires = shard.expires.min(expires);
        let index = if let Some(index) = shard.free.pop() {
            shard.slots[index as usize] = entry;
            index
        } else {
            shard.slots.push(entry);
            u32::try_from(shard.slots.len() - 1).unwrap_or(u32::MAX)
        };
        drop(shard);
        self.count.fetch_add(1, Ordering::SeqCst);
        #[expect(clippy::cast_possible_truncation, reason = "below SHARDS")]
        Presence { roll: Arc::clone(self), shard: shard_index as u32, index }
    }

    /// How many admitted sockets there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// The number of the next entry: those of now are below it.
    pub(crate) fn next_number(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Who is connected, with the passwords that their sockets were admitted by, where these are known.
    pub(crate) fn users(&self) -> HashMap<UserId, Vec<[u8; 16]>> {
        let mut users: HashMap<UserId, Vec<[u8; 16]>> = HashMap::new();
        self.visit(|entry| {
            let ConnectedSocket { user, token, .. } = entry.connected;
            let password = token.as_ref().and_then(|token| token.password);
            match users.get_mut(user) {
                Some(passwords) => {
                    let is_new = |password: &[u8; 16]| !passwords.contains(password);
                    let new = password.filter(is_new);
                    passwords.extend(new);
                }
                None => drop(users.insert(user.clone(), password.into_iter().collect())),
            }
        });
        users
    }

    /// The ids of the tokens that are known, each once.
    pub(crate) fn token_ids(&self) -> Vec<Box<str>> {
        let mut ids = HashSet::new();
        self.visit(|entry| {
            if let Some(jti) = entry.connected.token.as_ref().and_then(|token| token.jti.as_ref())
                && !ids.contains(jti)
            {
                ids.insert(jti.clone());
            }
        });
        ids.into_iter().collect()
    }

    /// Those that `wanted` picks, at most `most`, the latest first; and how many it picked in all.
    pub(crate) fn list(&self, most: usize, wanted: impl Fn(&ConnectedSocket) -> bool) -> (Vec<Listed>, usize) {
        let mut numbers = Vec::new();
        self.visit(|entry| {
            if wanted(entry.connected) {
                numbers.push(entry.number);
            }
        });
        let count = numbers.len();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        numbers.truncate(most);
        let mut listed = Vec::with_capacity(numbers.len());
        self.visit(|entry| {
            if numbers.binary_search_by(|number| entry.number.cmp(number)).is_ok() {
                listed.push(Listed { number: entry.number, connected: entry.connected.clone() });
            }
        });
        listed.sort_unstable_by_key(|listed| std::cmp::Reverse(listed.number));
        (listed, count)
    }

    /// Closes the sockets that `wanted` names a close for. How many were not being closed already.
    pub(crate) fn close_where(&self, mut wanted: impl FnMut(&Entered<'_>) -> Option<CloseFrame>) -> usize {
        let mut count = 0;
        for index in 0..SHARDS {
            let mut closes = Vec::new();
            for entry in self.shard(index).slots.iter().flatten() {
                if let Some(close) = wanted(&entry.entered()) {
                    closes.push((Arc::clone(&entry.outbox), close));
                }
            }
            count += closes.into_iter().filter_map(|(outbox, close)| outbox.close_with(close).then_some(())).count();
        }
        count
    }

    /// Closes the sockets whose time is over at `now`, in seconds since 1970, with `close`. How many were not being
    /// closed already. A shard in which
    /// nothing is due costs a look.
    pub(crate) fn close_expired(&self, now: i64, close: &CloseFrame) -> usize {
        let mut count = 0;
        for index in 0..SHARDS {
            let mut due = Vec::new();
            {
                let mut shard = self.shard(index);
                if shard.expires > now {
                    continue;
                }
                let mut next = NEVER;
                for entry in shard.slots.iter().flatten() {
                    match entry.connected.expires() {
                        expires if expires <= now => due.push(Arc::clone(&entry.outbox)),
                        expires => next = next.min(expires),
                    }
                }
                shard.expires = next;
            }
            count += due.iter().filter(|outbox| outbox.close_with(close.clone())).count();
        }
        count
    }

    /// Shows `visitor` each of them.
    pub(crate) fn each(&self, mut visitor: impl FnMut(&ConnectedSocket)) {
        self.visit(|entry| visitor(entry.connected));
    }

    fn visit(&self, mut visitor: impl FnMut(&Entered<'_>)) {
        for index in 0..SHARDS {
            for entry in self.shard(index).slots.iter().flatten() {
                visitor(&entry.entered());
            }
        }
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        // Nothing that can panic runs while it is held.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that is open.
pub(crate) struct Entered<'a> {
    pub(crate) number: u64,
    pub(crate) connected: &'a ConnectedSocket,
}

impl Entry {
    const fn entered(&self) -> Entered<'_> {
        Entered { number: self.number, connected: &self.connected }
    }
}

impl ConnectedSocket {
    fn expires(&self) -> i64 {
        self.token.as_ref().and_then(|token| token.expires).unwrap_or(NEVER)
    }
}

/// A socket's entry in the [`Roll`].
#[derive(Debug)]
pub(super) struct Presence {
    roll: Arc<Roll>,
    shard: u32,
    index: u32,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let gone = {
            let mut shard = self.roll.shard(self.shard as usize);
            let gone = shard.slots.get_mut(self.index as usize).and_then(Option::take);
            shard.free.push(self.index);
            gone
        };
        self.roll.count.fetch_sub(1, Ordering::SeqCst);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(user: i64, token: TokenFacts) -> ConnectedSocket {
        ConnectedSocket {
            user: UserId::Int(user),
            username: Some(format!("user{user}").into()),
            route: "ws/chat/".into(),
            address: IpAddr::from([127, 0, 0, 1]),
            since: SystemTime::UNIX_EPOCH,
            token: token.boxed(),
        }
    }

    fn enter(roll: &Arc<Roll>, user: i64, token: TokenFacts) -> (Presence, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::default());
        (roll.enter(connected(user, token), &outbox), outbox)
    }

    fn closed(outbox: &Outbox) -> Option<u16> {
        outbox.take().1.map(|close| close.code)
    }

    #[test]
    fn a_users_sockets_are_closed_and_no_others() {
        let roll = Roll::new();
        let sockets: Vec<_> = (0..40).map(|index| enter(&roll, index % 2, TokenFacts::default())).collect();
        assert_eq!(
            roll.close_where(|entered| {
                (entered.connected.user == UserId::Int(1)).then(|| CloseFrame::new(4403, "disconnected"))
            }),
            20
        );
        for (index, (_, outbox)) in sockets.iter().enumerate() {
            assert_eq!(closed(outbox), (index % 2 == 1).then_some(4403));
        }
    }

    #[test]
    fn who_is_connected_is_listed_once_and_no_longer_than_open() {
        let roll = Roll::new();
        let first: Vec<_> = (0..30).map(|index| enter(&roll, index % 3, TokenFacts::default())).collect();
        let users = roll.users();
        assert!(users.len() == 3 && (0..3).all(|user| users.contains_key(&UserId::Int(user))), "{users:?}");
        let (listed, count) = roll.list(4, |connected| connected.user == UserId::Int(2));
        assert_eq!((listed.iter().map(|one| one.number).collect::<Vec<_>>(), count), (vec![29, 26, 23, 20], 10));
        drop(first);
        assert_eq!((roll.count(), roll.users().len(), roll.list(10, |_| true).1), (0, 0, 0));
        let again: Vec<_> = (0..30).map(|index| enter(&roll, index, TokenFacts::default())).collect();
        let slots: usize = roll.shards.iter().map(|shard| shard.lock().unwrap().slots.len()).sum();
        assert!(slots <= 32, "places are used again: {slots}");
        assert_eq!((roll.count(), again.len()), (30, 30));
    }

    #[test]
    fn sockets_are_closed_when_their_time_is_over() {
        let roll = Roll::new();
        let until = |expires| TokenFacts { expires: Some(expires), ..TokenFacts::default() };
        let close = CloseFrame::new(4401, "token_expired");
        let (early, late) = (enter(&roll, 1, until(100)), enter(&roll, 1, until(200)));
        let never = enter(&roll, 1, TokenFacts::default());
        assert_eq!([99, 100, 101].map(|now| roll.close_expired(now, &close)), [0, 1, 0]);
        assert_eq!((closed(&early.1), closed(&late.1), closed(&never.1)), (Some(4401), None, None));
        drop(early);
        assert_eq!([101, 200].map(|now| roll.close_expired(now, &close)), [0, 1]);
    }

    #[test]
    fn what_is_known_of_a_token_is_not_shown() {
        let facts = TokenFacts { jti: Some("2f1c".into()), password: Some([0xab; 16]), expires: Some(1) };
        let shown = format!("{:?}", connected(1, facts));
        assert!(shown.contains("TokenFacts(***)") && !shown.contains("2f1c") && !shown.contains("171"), "{shown}");
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 136, "{}", size_of::<Entry>());
        assert!(size_of::<Presence>() <= 16);
    }
}
