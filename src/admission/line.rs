//! Those that wait for their turn: each client's in the order in which they came, the clients in turns.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};

use tokio::time::Instant;

/// Who waits: an IPv4 address, or the network of an IPv6 address that one customer of a provider has (/64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() & (!0 << 64)).into())),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// A line in which no client stands before all the others: the first of each is served before the second of any.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// By their numbers, which grow.
    waiting: BTreeMap<u64, Waiting<T>>,
    lanes: HashMap<Client, Lane>,
    /// Each lane's turn; the first is next.
    turns: BTreeMap<u64, Client>,
    /// The lanes by how many wait in them.
    lengths: BTreeSet<(usize, Client)>,
    last_number: u64,
    last_turn: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    client: Client,
    deadline: Instant,
    value: T,
}

/// Those of one client. Never empty.
#[derive(Debug)]
struct Lane {
    turn: u64,
    numbers: VecDeque<u64>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            lanes: HashMap::new(),
            turns: BTreeMap::new(),
            lengths: BTreeSet::new(),
            last_number: 0,
            last_turn: 0,
        }
    }
}

impl<T> Line<T> {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// One more, behind the others of its client. The answer is its number.
    pub(super) fn push(&mut self, client: Client, deadline: Instant, value: T) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        self.waiting.insert(number, Waiting { client, deadline, value });
        if let Some(lane) = self.lanes.get_mut(&client) {
            self.lengths.remove(&(lane.numbers.len(), client));
            lane.numbers.push_back(number);
            self.lengths.insert((lane.numbers.len(), client));
        } else {
            let turn = self.next_turn();
            self.turns.insert(turn, client);
            self.lengths.insert((1, client));
            self.lanes.insert(client, Lane { turn, numbers: VecDeque::from([number]) });
        }
        number
    }

    /// Whoever's turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, &client) = self.turns.first_key_value()?;
        let number = *self.lanes.get(&client)?.numbers.front()?;
        let value = self.remove(number);
        let turn = self.next_turn();
        if let Some(lane) = self.lanes.get_mut(&client) {
            self.turns.remove(&lane.turn);
            lane.turn = turn;
            self.turns.insert(turn, client);
        }
        value
    }

    /// Takes out the one with this number, if it still waits.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let Waiting { client, value, .. } = self.waiting.remove(&number)?;
        if let Some(lane) = self.lanes.get_mut(&client) {
            let before = lane.numbers.len();
            if let Ok(index) = lane.numbers.binary_search(&number) {
                lane.numbers.remove(index);
            }
            let (after, turn) = (lane.numbers.len(), lane.turn);
            self.lengths.remove(&(before, client));
            if after == 0 {
                self.lanes.remove(&client);
                self.turns.remove(&turn);
            } else {
                self.lengths.insert((after, client));
            }
        }
        Some(value)
    }

    /// When the one that has waited longest has waited too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.waiting.first_key_value()?.1.deadline)
    }

    /// Takes out one that has waited too long.
    pub(super) fn pop_late(&mut self, now: Instant) -> Option<T> {
        let (&number, first) = self.waiting.first_key_value()?;
        if first.deadline <= now { self.remove(number) } else { None }
    }

    /// Takes out the last of the client that has most in the line, if `client` would have fewer than that with one more.
    pub(super) fn make_room(&mut self, client: Client) -> Option<T> {
        let &(most, other) = self.lengths.last()?;
        let own = self.lanes.get(&client).map_or(0, |lane| lane.numbers.len());
        if own + 1 >= most {
            return None;
        }
        let last = *self.lanes.get(&other)?.numbers.back()?;
        self.remove(last)
    }

    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn client(number: u8) -> Client {
        IpAddr::from([10, 0, 0, number]).into()
    }

    /// A line of clients, each by its number, with what they wait with.
    fn line(clients: &[u8]) -> Line<(u8, usize)> {
        let mut line = Line::default();
        let now = Instant::now();
        for (index, &number) in clients.iter().enumerate() {
            line.push(client(number), now, (number, index));
        }
        line
    }

    fn all<T>(line: &mut Line<T>) -> Vec<T> {
        std::iter::from_fn(|| line.pop()).collect()
    }

    #[test]
    fn one_client_is_served_in_the_order_in_which_it_came() {
        assert_eq!(all(&mut line(&[1, 1, 1])), [(1, 0), (1, 1), (1, 2)]);
    }

    #[test]
    fn a_client_with_many_does_not_keep_the_others_waiting() {
        let mut line = line(&[1, 1, 1, 1, 2, 3, 2]);
        let served: Vec<u8> = all(&mut line).into_iter().map(|(number, _)| number).collect();
        assert_eq!(served, [1, 2, 3, 1, 2, 1, 1]);
        assert!(line.lanes.is_empty() && line.turns.is_empty() && line.lengths.is_empty());
    }

    #[test]
    fn in_a_full_line_the_client_with_most_makes_room_for_one_with_fewer() {
        let mut line = line(&[1, 1, 1, 2]);
        assert_eq!(line.make_room(client(3)), Some((1, 2)), "its last one");
        assert_eq!(line.make_room(client(2)), None, "two each: it would only be the other way round");
        assert_eq!(line.make_room(client(1)), None);
        assert_eq!(line.make_room(client(4)), Some((1, 1)));
        assert_eq!(line.len(), 2);
    }

    #[test]
    fn those_that_waited_too_long_come_out_and_nobody_else() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.push(client(1), now + Duration::from_secs(1), 'a');
        line.push(client(1), now + Duration::from_secs(2), 'b');
        assert_eq!(line.pop_late(now), None);
        assert_eq!(line.pop_late(now + Duration::from_secs(1)), Some('a'));
        assert_eq!(line.pop_late(now + Duration::from_secs(1)), None);
        assert_eq!(line.deadline(), Some(now + Duration::from_secs(2)));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let of = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:10.0.0.1"), client(1));
        assert_ne!(client(1), client(2));
    }

    proptest! {
        /// Whatever happens, everybody comes out once, and nothing stays behind.
        #[test]
        fn nobody_is_lost(steps in prop::collection::vec((0u8..6, 0u8..4), 0..200)) {
            let (mut line, now) = (Line::default(), Instant::now());
            let (mut inside, mut numbers) = (BTreeSet::new(), Vec::new());
            for (index, (number, step)) in steps.into_iter().enumerate() {
                let out = match step {
                    0 => line.pop(),
                    1 => numbers.pop().and_then(|number| line.remove(number)),
                    2 => line.make_room(client(number)),
                    _ => {
                        numbers.push(line.push(client(number), now, index));
                        inside.insert(index);
                        None
                    }
                };
                if let Some(out) = out {
                    prop_assert!(inside.remove(&out));
                }
                prop_assert_eq!(line.len(), inside.len());
                prop_assert_eq!(line.turns.len(), line.lanes.len());
                prop_assert_eq!(line.lengths.len(), line.lanes.len());
            }
            prop_assert_eq!(all(&mut line).into_iter().collect::<BTreeSet<_>>(), inside);
        }
    }
}
