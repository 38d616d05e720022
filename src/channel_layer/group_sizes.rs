//! How many channels the groups of this process have.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The groups that channels of this process are in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSizes {
    /// How many groups have a member.
    pub groups: usize,
    /// The memberships in all of them.
    pub members: usize,
    /// The largest by name, with their members of this process; the largest first, those of one size by name.
    pub largest: Vec<(String, usize)>,
}

impl GroupSizes {
    /// Of these groups, of which the `most` largest are named. Groups without members do not count.
    pub(super) fn of<'a>(groups: impl Iterator<Item = (&'a str, usize)>, most: usize) -> Self {
        let mut sizes = Self::default();
        // The smallest of those that are named comes first.
        let mut largest = BinaryHeap::with_capacity(most.saturating_add(1).min(1024));
        for (name, members) in groups.filter(|(_, members)| *members > 0) {
            sizes.groups += 1;
            sizes.members += members;
            largest.push((Reverse(members), name));
            if largest.len() > most {
                largest.pop();
            }
        }
        let largest = largest.into_sorted_vec().into_iter();
        sizes.largest = largest.map(|(Reverse(members), name)| (name.to_owned(), members)).collect();
        sizes
    }

    /// The same without `group`, which has one member.
    pub(crate) fn without(mut self, group: &str) -> Self {
        self.groups = self.groups.saturating_sub(1);
        self.members = self.members.saturating_sub(1);
        self.largest.retain(|(name, _)| name != group);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_groups_are_named_and_all_are_counted() {
        let groups = [("b", 2), ("empty", 0), ("a", 2), ("large", 7), ("small", 1)];
        let largest =
            |names: &[(&str, usize)]| names.iter().map(|&(name, members)| (name.to_owned(), members)).collect();
        let expected = GroupSizes { groups: 4, members: 12, largest: largest(&[("large", 7), ("a", 2), ("b", 2)]) };
        assert_eq!(GroupSizes::of(groups.into_iter(), 3), expected);
        assert_eq!(GroupSizes::of(groups.into_iter(), 0).largest, []);
        let all = GroupSizes::of(groups.into_iter(), usize::MAX);
        assert_eq!(all.largest.len(), 4);
        let rest = GroupSizes { groups: 3, members: 11, largest: largest(&[("large", 7), ("a", 2), ("b", 2)]) };
        assert_eq!(all.without("small"), rest);
    }
}
