//! The messages of one `group_send` that come by several queues of this process.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
};

/// How many messages are remembered: more than come between the first and the last of one `group_send`.
const SIZE: usize = 256;

/// Knows which receivers the other messages of the same `group_send` had, so that a channel that is named in one and is
/// also in the group that another is for gets one copy.
///
/// They have the same score, since all queues of a process are on one host and one script fills them, and the same
/// content.
#[derive(Debug, Default)]
pub(super) struct Companions {
    hasher: RandomState,
    recent: VecDeque<(u64, Vec<String>)>,
}

impl Companions {
    /// The receivers that came before in the same `group_send`. From now on, those of this message are among them.
    pub(super) fn before(&mut self, body: &[u8], score: f64, channels: &[String]) -> Vec<String> {
        let key = self.hasher.hash_one((body, score.to_bits()));
        let before = self.recent.iter().filter(|(other, _)| *other == key).flat_map(|(_, channels)| channels.clone());
        let before = before.collect();
        self.recent.push_back((key, channels.to_vec()));
        if self.recent.len() > SIZE {
            self.recent.pop_front();
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_equal_content_and_score_belong_together() {
        let mut companions = Companions::default();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert!(companions.before(b"x", 1.0, &names(&["a"])).is_empty());
        assert!(companions.before(b"x", 2.0, &names(&["b"])).is_empty());
        assert!(companions.before(b"y", 1.0, &names(&["c"])).is_empty());
        assert_eq!(companions.before(b"x", 1.0, &names(&["d"])), ["a"]);
        assert_eq!(companions.before(b"x", 1.0, &[]), ["a", "d"]);
        for number in 0..SIZE {
            companions.before(&number.to_be_bytes(), 1.0, &[]);
        }
        assert!(companions.recent.len() == SIZE && companions.before(b"x", 1.0, &[]).is_empty());
    }
}
