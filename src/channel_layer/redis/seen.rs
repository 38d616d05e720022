//! Messages that were handled lately.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

/// How many messages are remembered.
const SIZE: usize = 2048;

/// Tells a message that is received a second time, after a connection was lost or a replica took over.
///
/// Message and score together are one: what is sent again, even by somebody without random prefix, has another score.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Seen {
    /// Whether the message is new; from now on it is not.
    pub(super) fn is_new(&mut self, member: &[u8], score: f64) -> bool {
        let hash = self.hasher.hash_one((member, score.to_bits()));
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > SIZE
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_and_again_with_another_score() {
        let mut seen = Seen::default();
        assert!(seen.is_new(b"a", 1.0) && !seen.is_new(b"a", 1.0) && seen.is_new(b"a", 2.0) && seen.is_new(b"b", 1.0));
        for number in 0..10 * SIZE {
            assert!(seen.is_new(&number.to_be_bytes(), 1.0));
        }
        assert!(seen.order.len() == SIZE && seen.known.len() == SIZE && seen.is_new(b"a", 1.0));
    }
}
