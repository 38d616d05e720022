//! The channels of this process, the groups that they are in, and how a message finds them.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{GroupSizes, Sink, counters::Tally, message::Message, naming::Naming};

/// One table for a layer. It is in memory alone: what Redis has to know of it is the layer's affair.
pub(super) struct Inbox {
    pub(super) naming: Naming,
    pub(super) tally: Tally,
    reports: Reports,
    table: Mutex<Table>,
    departures: Mutex<Vec<Departure>>,
    departed: Notify,
}

/// Which of the ends of channels the layer wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reports {
    /// None: nobody outside of this process knows of groups.
    Nothing,
    /// The groups that have no member any more.
    Groups,
    /// Each channel of each group.
    Members,
    /// The groups that have no member any more, and each channel.
    GroupsAndChannels,
}

/// What the layer has yet to tell others.
#[derive(Clone)]
pub(super) enum Departure {
    /// The group has no member here.
    Group(Arc<Group>),
    /// The channel has left the group.
    Member(Arc<Group>, u128),
    /// The channel is gone.
    Channel(u128),
}

/// Whether others know that this process has members in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    No,
    /// A write was begun, and may have been carried out.
    Perhaps,
    Yes,
}

/// A group that channels of this process are in.
pub(super) struct Group {
    pub(super) name: Box<str>,
    /// The number in the name by which this process is a member of the group.
    pub(super) id: u128,
    members: Mutex<HashMap<u128, Arc<dyn Sink>>>,
    /// Held while others are told.
    pub(super) written: tokio::sync::Mutex<Written>,
}

#[derive(Default)]
struct Table {
    recipients: HashMap<u128, Recipient>,
    groups: HashMap<Box<str>, Arc<Group>>,
}

enum Recipient {
    Channel { sink: Arc<dyn Sink>, groups: Vec<Arc<Group>> },
    Group(Arc<Group>),
    Probe(Arc<dyn Sink>),
}

impl Inbox {
    pub(super) fn new(naming: Naming, reports: Reports) -> Arc<Self> {
        Arc::new(Self {
            naming,
            tally: Tally::default(),
            reports,
            table: Mutex::default(),
            departures: Mutex::default(),
            departed: Notify::new(),
        })
    }

    /// A channel whose messages go to `sink`, until the answer is dropped.
    pub(super) fn open(self: &Arc<Self>, sink: Arc<dyn Sink>) -> Channel {
        let id = self.naming.new_id();
        lock(&self.table).recipients.insert(id, Recipient::Channel { sink, groups: Vec::new() });
        Channel { inbox: Arc::clone(self), id }
    }

    /// A channel for the layer's own messages to itself, which do not count.
    pub(super) fn open_probe(self: &Arc<Self>, sink: Arc<dyn Sink>) -> Channel {
        let id = self.naming.new_id();
        lock(&self.table).recipients.insert(id, Recipient::Probe(sink));
        Channel { inbox: Arc::clone(self), id }
    }

    /// Puts a channel into a group; `None` if there is no such channel.
    pub(super) fn join(&self, channel: u128, group: &str) -> Option<Arc<Group>> {
        let mut table = lock(&self.table);
        let Some(Recipient::Channel { sink, .. }) = table.recipients.get(&channel) else { return None };
        let sink = Arc::clone(sink);
        let found = table.groups.get(group).map(Arc::clone);
        let group = found.unwrap_or_else(|| {
            let group = Arc::new(Group {
                name: group.into(),
                id: self.naming.new_id(),
                members: Mutex::default(),
                written: tokio::sync::Mutex::new(Written::No),
            });
            table.groups.insert(group.name.clone(), Arc::clone(&group));
            table.recipients.insert(group.id, Recipient::Group(Arc::clone(&group)));
            group
        });
        if lock(&group.members).insert(channel, sink).is_none()
            && let Some(Recipient::Channel { groups, .. }) = table.recipients.get_mut(&channel)
        {
            if groups.is_empty() {
                // Most channels are in one group.
                groups.reserve_exact(1);
            }
            groups.push(Arc::clone(&group));
        }
        Some(group)
    }

    /// Takes a channel out of a group; `None` if it was not in it.
    pub(super) fn leave(&self, channel: u128, group: &str) -> Option<Arc<Group>> {
        let mut table = lock(&self.table);
        let group = Arc::clone(table.groups.get(group)?);
        let removed = remove(&mut lock(&group.members), &channel)?;
        if let Some(Recipient::Channel { groups, .. }) = table.recipients.get_mut(&channel) {
            groups.retain(|other| !Arc::ptr_eq(other, &group));
        }
        if self.reports == Reports::Nothing {
            table.forget_if_empty(&group);
        }
        drop(table);
        // Its end may call back.
        drop(removed);
        Some(group)
    }

    fn close(&self, channel: u128) {
        let mut table = lock(&self.table);
        let (sink, groups) = match remove(&mut table.recipients, &channel) {
            Some(Recipient::Channel { sink, groups }) => (sink, groups),
            Some(Recipient::Probe(_) | Recipient::Group(_)) | None => return,
        };
        let mut departures = Vec::new();
        for group in groups {
            let is_empty = {
                let mut members = lock(&group.members);
                remove(&mut members, &channel);
                members.is_empty()
            };
            match self.reports {
                Reports::Nothing => table.forget_if_empty(&group),
                Reports::Members => departures.push(Departure::Member(group, channel)),
                Reports::Groups | Reports::GroupsAndChannels if is_empty => departures.push(Departure::Group(group)),
                Reports::Groups | Reports::GroupsAndChannels => {}
            }
        }
        if self.reports == Reports::GroupsAndChannels {
            departures.push(Departure::Channel(channel));
        }
        drop(table);
        drop(sink);
        self.report(departures);
    }

    /// Adds to what the layer has yet to tell others.
    pub(super) fn report(&self, departures: Vec<Departure>) {
        if !departures.is_empty() {
            lock(&self.departures).extend(departures);
            self.departed.notify_one();
        }
    }

    /// Waits until there is something to tell others, and takes it.
    pub(super) async fn departures(&self) -> Vec<Departure> {
        loop {
            let departures = std::mem::take(&mut *lock(&self.departures));
            if !departures.is_empty() {
                return departures;
            }
            self.departed.notified().await;
        }
    }

    /// Drops a group without members from the table, after others were told.
    pub(super) fn forget_if_empty(&self, group: &Arc<Group>) {
        lock(&self.table).forget_if_empty(group);
    }

    /// The group, if channels of this process are in it.
    pub(super) fn group(&self, name: &str) -> Option<Arc<Group>> {
        lock(&self.table).groups.get(name).map(Arc::clone)
    }

    /// All groups that channels of this process are in, or were in a moment ago.
    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        lock(&self.table).groups.values().map(Arc::clone).collect()
    }

    /// Which groups there are, the largest named.
    pub(super) fn group_sizes(&self, most: usize) -> GroupSizes {
        GroupSizes::of(self.groups().iter().map(|group| (group.name.as_ref(), lock(&group.members).len())), most)
    }

    /// The numbers of all channels.
    pub(super) fn channels(&self) -> Vec<u128> {
        let table = lock(&self.table);
        let channels = table.recipients.iter().filter(|(_, recipient)| matches!(recipient, Recipient::Channel { .. }));
        channels.map(|(id, _)| *id).collect()
    }

    /// Hands `message` to the channels and groups of these names, where `before` are those of the same message that came
    /// by other ways.
    ///
    /// A channel that is named and is also in a group that is named gets one copy. A name twice is two copies, as with
    /// channels_redis.
    pub(super) fn deliver(&self, names: &[String], before: &[String], message: &Arc<Message>) {
        let (mut found, earlier);
        {
            let table = lock(&self.table);
            found = table.find(names, &self.naming);
            earlier = table.find(before, &self.naming);
        }
        for probe in &found.probes {
            probe.deliver(message);
        }
        if !names.is_empty() && found.probes.len() == names.len() {
            return;
        }
        self.tally.received.add(1);
        // A message that names nobody is for nobody, too.
        self.tally.unknown.add(if names.is_empty() { 1 } else { found.unknown });
        let mut seen: HashSet<u128> = earlier.channels.iter().map(|(id, _)| *id).collect();
        if found.groups.len() + earlier.groups.len() + seen.len() <= 1 {
            // The usual case: the members of one group are all different.
            found.channels.retain(|(id, _)| !found.groups.iter().chain(&earlier.groups).any(|group| group.has(*id)));
            for group in &found.groups {
                self.hand_over(group.members().into_iter(), message);
            }
        } else {
            for group in &earlier.groups {
                seen.extend(group.channels());
            }
            for group in &found.groups {
                self.hand_over(group.members().into_iter().filter(|(id, _)| seen.insert(*id)), message);
            }
            found.channels.retain(|(id, _)| !seen.contains(id));
        }
        self.hand_over(found.channels.into_iter(), message);
    }

    /// Hands `message` to all members of `group`.
    pub(super) fn deliver_to(&self, group: &Group, message: &Arc<Message>) {
        self.tally.received.add(1);
        self.hand_over(group.members().into_iter(), message);
    }

    /// No lock is held here, so that a sink may call back.
    fn hand_over(&self, sinks: impl Iterator<Item = (u128, Arc<dyn Sink>)>, message: &Arc<Message>) {
        let mut copies = 0;
        for (_, sink) in sinks {
            // A fault of one channel's must not end everybody's receiving.
            if panic::catch_unwind(AssertUnwindSafe(|| sink.deliver(message))).is_ok() {
                copies += 1;
            } else {
                tracing::error!("a channel panicked at a message");
            }
        }
        self.tally.delivered.add(copies);
    }
}

/// Who names lead to.
#[derive(Default)]
struct Found {
    groups: Vec<Arc<Group>>,
    channels: Vec<(u128, Arc<dyn Sink>)>,
    probes: Vec<Arc<dyn Sink>>,
    unknown: usize,
}

impl Table {
    fn find(&self, names: &[String], naming: &Naming) -> Found {
        let mut found = Found::default();
        for name in names {
            let id = naming.id(name);
            match id.and_then(|id| Some((id, self.recipients.get(&id)?))) {
                Some((id, Recipient::Channel { sink, .. })) => found.channels.push((id, Arc::clone(sink))),
                Some((_, Recipient::Group(group))) => found.groups.push(Arc::clone(group)),
                Some((_, Recipient::Probe(sink))) => found.probes.push(Arc::clone(sink)),
                None => found.unknown += 1,
            }
        }
        found
    }

    fn forget_if_empty(&mut self, group: &Arc<Group>) {
        let is_current = self.groups.get(&group.name).is_some_and(|current| Arc::ptr_eq(current, group));
        if is_current && group.is_empty() {
            remove(&mut self.groups, &group.name);
            remove(&mut self.recipients, &group.id);
        }
    }
}

impl Group {
    /// Whether no channel of this process is in it.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.members).is_empty()
    }

    /// Whether the channel is in it.
    pub(super) fn has(&self, channel: u128) -> bool {
        lock(&self.members).contains_key(&channel)
    }

    /// The numbers of its channels.
    pub(super) fn channels(&self) -> Vec<u128> {
        lock(&self.members).keys().copied().collect()
    }

    fn members(&self) -> Vec<(u128, Arc<dyn Sink>)> {
        lock(&self.members).iter().map(|(id, sink)| (*id, Arc::clone(sink))).collect()
    }
}

/// A channel of this process. Dropped, it leaves its groups and gets no more messages.
pub struct Channel {
    inbox: Arc<Inbox>,
    id: u128,
}

impl Channel {
    /// `channel_name`: by it, any member of the layer can send to this channel and add it to groups.
    #[must_use]
    pub fn name(&self) -> String {
        self.inbox.naming.name(self.id)
    }

    /// Whether `name` is [`name`](Self::name).
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.inbox.naming.is_name_of(name, self.id)
    }

    pub(super) const fn id(&self) -> u128 {
        self.id
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Channel").field(&self.name()).finish()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.inbox.close(self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes an entry, and gives memory back once most of the table is empty.
fn remove<K: Eq + Hash, V>(map: &mut HashMap<K, V>, key: &K) -> Option<V> {
    let removed = map.remove(key);
    if map.capacity() > 64 && map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::{Value, tests::Mailbox};

    fn inbox() -> Arc<Inbox> {
        Inbox::new(Naming::queues(1, 1, 1), Reports::Groups)
    }

    fn message() -> Arc<Message> {
        Arc::new(Message::new(Value::map([("type", "x".into())]), 1))
    }

    #[test]
    fn a_channel_that_is_named_besides_its_group_gets_one_copy() {
        let inbox = inbox();
        let (one, other) = (Mailbox::new(), Mailbox::new());
        let (first, second) = (inbox.open(one.clone()), inbox.open(other.clone()));
        let group = inbox.join(first.id(), "g").unwrap();
        let member = inbox.naming.name(group.id);
        inbox.deliver(&[member.clone(), first.name(), second.name()], &[], &message());
        assert_eq!((one.count(), other.count()), (1, 1));
        let second_group = inbox.naming.name(inbox.join(first.id(), "h").unwrap().id);
        inbox.join(second.id(), "h").unwrap();
        inbox.deliver(&[member.clone(), second_group, first.name()], &[], &message());
        assert_eq!((one.count(), other.count()), (2, 2));
        assert_eq!(inbox.tally.counters(0).delivered, 4);
        // The same where they are named in messages that come one after the other.
        inbox.deliver(&[first.name()], std::slice::from_ref(&member), &message());
        inbox.deliver(&[member], &[first.name(), second.name()], &message());
        assert_eq!((one.count(), other.count()), (2, 2));
    }

    #[test]
    fn a_name_twice_is_two_copies() {
        let (inbox, mailbox) = (inbox(), Mailbox::new());
        let channel = inbox.open(mailbox.clone());
        inbox.deliver(&[channel.name(), channel.name()], &[], &message());
        assert_eq!(mailbox.count(), 2);
    }

    #[test]
    fn what_is_for_nobody_is_counted() {
        let (inbox, mailbox) = (inbox(), Mailbox::new());
        let gone = inbox.open(mailbox.clone()).name();
        inbox.deliver(&[gone, "specific.other!00".to_owned(), "plain".to_owned()], &[], &message());
        inbox.deliver(&[], &[], &message());
        assert_eq!((mailbox.count(), inbox.tally.counters(0).unknown), (0, 4));
    }

    #[tokio::test]
    async fn the_last_channel_that_goes_reports_its_group_and_leaves_nothing() {
        let inbox = inbox();
        let channels = (0..500).map(|_| inbox.open(Mailbox::new())).collect::<Vec<_>>();
        for channel in &channels {
            inbox.join(channel.id(), "g").unwrap();
            assert!(inbox.join(channel.id(), "g").is_some(), "joining again changes nothing");
        }
        drop(channels);
        let departures = inbox.departures().await;
        let [Departure::Group(group)] = &departures[..] else { panic!("{}", departures.len()) };
        assert!(group.is_empty() && inbox.groups().len() == 1);
        inbox.forget_if_empty(group);
        let table = lock(&inbox.table);
        assert_eq!((table.recipients.len(), table.groups.len()), (0, 0));
        assert!(table.recipients.capacity() < 100 && lock(&group.members).capacity() < 100);
    }

    #[test]
    fn a_sink_may_close_its_channel_while_it_gets_a_message() {
        struct Closing(Mutex<Option<Channel>>);
        impl Sink for Closing {
            fn deliver(&self, _: &Arc<Message>) {
                drop(lock(&self.0).take());
            }
        }
        let inbox = inbox();
        let sink = Arc::new(Closing(Mutex::new(None)));
        let channel = inbox.open(sink.clone());
        let group = inbox.join(channel.id(), "g").unwrap();
        *lock(&sink.0) = Some(channel);
        inbox.deliver(&[inbox.naming.name(group.id)], &[], &message());
        assert!(group.is_empty());
    }

    #[test]
    fn a_sink_that_panics_takes_no_message_from_others() {
        struct Panicking;
        impl Sink for Panicking {
            fn deliver(&self, _: &Arc<Message>) {
                panic!("on purpose");
            }
        }
        let (inbox, mailbox) = (inbox(), Mailbox::new());
        let channels = [inbox.open(Arc::new(Panicking)), inbox.open(mailbox.clone()), inbox.open(Arc::new(Panicking))];
        inbox.deliver(&channels.each_ref().map(Channel::name), &[], &message());
        assert_eq!((mailbox.count(), inbox.tally.counters(0).delivered), (1, 1));
    }

    #[test]
    fn a_channel_leaves_a_group_that_it_is_in() {
        let (inbox, mailbox) = (inbox(), Mailbox::new());
        let channel = inbox.open(mailbox.clone());
        assert!(inbox.leave(channel.id(), "g").is_none());
        let group = inbox.join(channel.id(), "g").unwrap();
        assert!(inbox.leave(channel.id(), "g").is_some() && group.is_empty());
        inbox.deliver(&[inbox.naming.name(group.id)], &[], &message());
        assert_eq!(mailbox.count(), 0);
        assert!(inbox.join(7, "g").is_none());
    }
}
