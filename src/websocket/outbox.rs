//! What waits for one client, and how its task is woken: encoded frames, and events of the channel layer that its
//! consumer has not seen.
//!
//! An idle socket owns no queue: the outbox allocates while something waits in it and gives everything back when its task
//! takes it.
//!
//! A peer that does not read: what happens once more waits than [`OutboxOptions`] allow is the route's policy. A single
//! frame or event is always taken, however long it is.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::Waker,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use super::{close::CloseFrame, codec, deflate::Deflate};
use crate::{
    channel_layer::{Message, Sink},
    consumer::{Cause, Close, Frame, OutboxOptions, Outlet, RouteContext, SharedFrame, SlowClient},
};

/// The socket's task writes what waits before it handles the next event, once it is this many frames.
const FLUSH_FRAMES: usize = 64;
/// The same, in bytes: what one read of small messages brings must not fill the queue of a client that reads.
const FLUSH_BYTES: usize = 256 * 1024;

/// The outbox has something for its task.
pub(super) const QUEUED: u8 = 1;
/// The socket's time has come: see [`Registration::schedule`](super::registry::Registration::schedule).
pub(super) const TIMER: u8 = 2;
/// The task runs, and will look again before it sleeps.
const AWAKE: u8 = 4;

/// The shared part of an open socket: its task takes from it what any other task puts in.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waker: AtomicWaker,
    signals: AtomicU8,
    /// The client does not take what is written.
    is_stalled: AtomicBool,
    waiting: Mutex<Waiting>,
    /// `None` where no consumer of ours stands behind the socket.
    route: Option<Arc<RouteContext>>,
    /// Where the client takes compressed messages.
    deflate: Option<Arc<Deflate>>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    events: VecDeque<Arc<Message>>,
    /// Of both.
    bytes: usize,
    close: Option<Box<CloseFrame>>,
    /// Nothing further is taken.
    is_closed: bool,
}

/// What came of making room.
#[derive(Default)]
struct Room {
    /// Whether there is some.
    is_made: bool,
    dropped: usize,
    replaced: usize,
}

impl Waiting {
    /// Whether `more` bytes are too much.
    fn is_full(&self, more: usize, options: &OutboxOptions) -> bool {
        let count = self.frames.len() + self.events.len();
        count > 0 && (count >= options.messages || self.bytes + more > options.bytes)
    }

    /// Makes room for `more` bytes by dropping the oldest events, where `options` let them be dropped.
    fn make_room(&mut self, more: usize, options: &OutboxOptions) -> Room {
        let mut room = Room::default();
        while options.policy != SlowClient::Close && self.is_full(more, options) {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.size();
            room.dropped += 1;
        }
        room.is_made = !self.is_full(more, options);
        room
    }

    /// Takes out the events that `event` replaces. How many.
    fn take_out(&mut self, event: &Message) -> usize {
        let (before, bytes) = (self.events.len(), &mut self.bytes);
        self.events.retain(|waiting| {
            let is_older = waiting.event_type() == event.event_type();
            *bytes -= if is_older { waiting.size() } else { 0 };
            !is_older
        });
        before - self.events.len()
    }

    fn give_up(&mut self) {
        *self = Self {
            close: Some(Box::new(CloseFrame::new(CloseFrame::TRY_AGAIN_LATER, "too slow"))),
            is_closed: true,
            ..Self::default()
        };
    }
}

impl Outbox {
    /// An outbox that holds as much as the route says, of a client that takes compressed messages where there is a
    /// `deflate`.
    pub(crate) fn new(route: Arc<RouteContext>, deflate: Option<Arc<Deflate>>) -> Self {
        Self { route: Some(route), deflate, ..Self::default() }
    }

    fn options(&self) -> OutboxOptions {
        self.route.as_ref().map_or_else(OutboxOptions::default, |route| route.outbox)
    }

    fn count(&self, room: &Room) {
        if let Some(route) = &self.route {
            route.count(Cause::ClientTooSlow, usize::from(!room.is_made));
            route.count(Cause::EventDropped, room.dropped);
            route.count(Cause::EventReplaced, room.replaced);
        }
    }

    /// The socket's task says whether the client takes what is written.
    pub(super) fn set_stalled(&self, is_stalled: bool) {
        if self.is_stalled.load(Ordering::Relaxed) != is_stalled {
            self.is_stalled.store(is_stalled, Ordering::Relaxed);
        }
    }

    /// What its client's messages are compressed by.
    pub(super) const fn deflate(&self) -> Option<&Arc<Deflate>> {
        self.deflate.as_ref()
    }

    fn encode(&self, is_text: bool, payload: &[u8]) -> Bytes {
        match self.deflate.as_ref().and_then(|deflate| deflate.compress(payload)) {
            Some(compressed) => codec::compressed(is_text, &compressed),
            None => codec::message(is_text, payload),
        }
    }

    /// Queues an encoded frame. Dropped silently once the socket is closing, as Channels drops late messages.
    pub(crate) fn send(&self, frame: Bytes) {
        {
            let mut waiting = self.lock();
            if waiting.is_closed {
                return;
            }
            let room = waiting.make_room(frame.len(), &self.options());
            if room.is_made {
                waiting.bytes += frame.len();
                waiting.frames.push_back(frame);
            } else {
                waiting.give_up();
            }
            drop(waiting);
            self.count(&room);
        }
        self.signal(QUEUED);
    }

    /// Closes the socket after what waits. The first close counts; whether this is it.
    pub(crate) fn close_with(&self, frame: CloseFrame) -> bool {
        {
            let mut waiting = self.lock();
            if waiting.is_closed {
                return false;
            }
            waiting.is_closed = true;
            waiting.close = Some(Box::new(frame));
        }
        self.signal(QUEUED);
        true
    }

    /// How many frames and events wait, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.frames.len() + waiting.events.len(), waiting.bytes)
    }

    /// Whether [`close_with`](Self::close_with) was called, or the peer was too slow.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Whether what waits is to be written before more is made: because it is much, or because no more is to be made for
    /// now, where `is_last` says so and no event waits.
    pub(super) fn is_flush_due(&self, is_last: bool) -> bool {
        let waiting = self.lock();
        (is_last && waiting.events.is_empty()) || waiting.frames.len() >= FLUSH_FRAMES || waiting.bytes >= FLUSH_BYTES
    }

    /// Takes all that waits. With the close frame nothing more will come.
    pub(super) fn take(&self) -> (VecDeque<Bytes>, Option<CloseFrame>) {
        self.signals.fetch_and(!QUEUED, Ordering::SeqCst);
        let mut waiting = self.lock();
        let frames = std::mem::take(&mut waiting.frames);
        waiting.bytes -= frames.iter().map(Bytes::len).sum::<usize>();
        // Events that wait are for a consumer that will not be asked again.
        (frames, waiting.close.take().map(|close| *close))
    }

    /// The close that waits, which then is none.
    pub(super) fn take_close(&self) -> Option<CloseFrame> {
        self.lock().close.take().map(|close| *close)
    }

    /// The next event that the consumer has not seen.
    pub(super) fn next_event(&self) -> Option<Arc<Message>> {
        let mut waiting = self.lock();
        let event = waiting.events.pop_front()?;
        waiting.bytes -= event.size();
        if waiting.events.is_empty() {
            waiting.events = VecDeque::new();
        }
        Some(event)
    }

    /// Tells the socket's task something.
    pub(super) fn signal(&self, signal: u8) {
        if self.signals.fetch_or(signal, Ordering::SeqCst) & AWAKE == 0 {
            self.waker.wake();
        }
    }

    /// The task is about to sleep: what it has been told since it last asked; 0: it may sleep.
    pub(super) fn poll_signals(&self, waker: &Waker) -> u8 {
        self.waker.register(waker);
        let told = self.signals.swap(0, Ordering::SeqCst) & !AWAKE;
        if told != 0 {
            self.wake_up();
        }
        told
    }

    /// Forgets that the socket's time has come, if it has.
    pub(super) fn forget_time(&self) {
        self.signals.fetch_and(!TIMER, Ordering::SeqCst);
    }

    /// The task runs again: it needs no waking.
    pub(super) fn wake_up(&self) {
        self.signals.fetch_or(AWAKE, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Outbox {
    fn deliver(&self, message: &Arc<Message>) {
        {
            let mut waiting = self.lock();
            if waiting.is_closed {
                return;
            }
            let options = self.options();
            let must_wait = self.is_stalled.load(Ordering::Relaxed) || waiting.is_full(message.size(), &options);
            let is_latest = options.policy == SlowClient::Latest && must_wait;
            let replaced = if is_latest { waiting.take_out(message) } else { 0 };
            let room = Room { replaced, ..waiting.make_room(message.size(), &options) };
            if room.is_made {
                waiting.bytes += message.size();
                waiting.events.push_back(Arc::clone(message));
            } else {
                waiting.give_up();
            }
            drop(waiting);
            self.count(&room);
        }
        self.signal(QUEUED);
    }
}

/// Whether it is a text, and its bytes.
const fn parts(frame: &Frame) -> (bool, &[u8]) {
    match frame {
        Frame::Text(text) => (true, text.as_bytes()),
        Frame::Binary(bytes) => (false, bytes.as_slice()),
    }
}

impl Outlet for Outbox {
    fn send_text(&self, text: &str) {
        self.send(self.encode(true, text.as_bytes()));
    }

    fn send_bytes(&self, bytes: &[u8]) {
        self.send(self.encode(false, bytes));
    }

    fn send_shared(&self, frame: &SharedFrame) {
        let plain = |frame: &Frame| {
            let (is_text, payload) = parts(frame);
            codec::message(is_text, payload)
        };
        self.send(match &self.deflate {
            None => frame.plain(plain),
            Some(deflate) => frame.compressed(|message| {
                let (is_text, payload) = parts(message);
                let compressed = deflate.compress(payload);
                compressed.map_or_else(|| frame.plain(plain), |payload| codec::compressed(is_text, &payload))
            }),
        });
    }

    fn close(&self, close: Close) {
        self.close_with(CloseFrame { code: close.code(), reason: close.into_reason() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::Value;

    #[test]
    fn an_idle_outbox_is_small_and_owns_nothing() {
        let outbox = Outbox::default();
        outbox.send(codec::text("x"));
        let (frames, close) = outbox.take();
        assert_eq!((frames.len(), close), (1, None));
        assert_eq!(outbox.lock().frames.capacity(), 0);
        assert!(size_of::<Outbox>() <= 192, "{}", size_of::<Outbox>());
    }

    #[test]
    fn a_peer_that_does_not_read_loses_what_waits_and_is_closed() {
        let outbox = Outbox::default();
        for _ in 0..OutboxOptions::default().messages {
            outbox.send(codec::text("x"));
        }
        assert!(!outbox.is_closed());
        outbox.send(codec::text("one more"));
        let (frames, close) = outbox.take();
        assert!(frames.is_empty());
        assert_eq!(close.map(|close| close.code), Some(1013));
        outbox.send(codec::text("late"));
        assert_eq!(outbox.take(), (VecDeque::new(), None));
    }

    #[test]
    fn bytes_are_bounded_too_but_a_single_frame_is_taken_at_any_length() {
        let outbox = Outbox::default();
        outbox.send(codec::binary(&vec![0; 2 * OutboxOptions::default().bytes]));
        assert!(!outbox.is_closed());
        outbox.send(codec::text("x"));
        assert!(outbox.is_closed());
    }

    #[test]
    fn the_first_close_counts_and_comes_after_what_waits() {
        let outbox = Outbox::default();
        outbox.send(codec::text("x"));
        outbox.close_with(CloseFrame::new(4001, "first"));
        outbox.close_with(CloseFrame::new(4002, "second"));
        outbox.send(codec::text("late"));
        let (frames, close) = outbox.take();
        assert_eq!((frames.len(), close), (1, Some(CloseFrame::new(4001, "first"))));
    }

    fn event(event_type: &str, number: i64) -> Arc<Message> {
        Arc::new(Message::new(Value::map([("type", event_type.into()), ("n", number.into())]), 100))
    }

    /// The numbers of the events that wait after `sent`, for which there is room for three; `None`: closed.
    fn kept(policy: SlowClient, sent: &[(&str, i64)]) -> Option<Vec<i64>> {
        let outbox = of_route(policy);
        for (event_type, number) in sent {
            outbox.deliver(&event(event_type, *number));
        }
        rest(&outbox)
    }

    fn of_route(policy: SlowClient) -> Outbox {
        let outbox = OutboxOptions { messages: 3, bytes: 1000, policy };
        Outbox::new(Arc::new(RouteContext { outbox, ..RouteContext::default() }), None)
    }

    fn counted(outbox: &Outbox) -> [u64; 3] {
        let causes = [Cause::ClientTooSlow, Cause::EventDropped, Cause::EventReplaced];
        causes.map(|cause| outbox.route.as_ref().unwrap().tally.of(cause))
    }

    fn rest(outbox: &Outbox) -> Option<Vec<i64>> {
        let mut numbers = Vec::new();
        while let Some(event) = outbox.next_event() {
            numbers.extend(event.value().get("n").and_then(Value::as_i64));
        }
        assert_eq!(outbox.lock().bytes, 0);
        (!outbox.is_closed()).then_some(numbers)
    }

    #[test]
    fn too_many_events_are_dealt_with_as_the_route_says() {
        let sent = [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("c", 5)];
        assert_eq!(kept(SlowClient::Close, &sent), None);
        assert_eq!(kept(SlowClient::DropOldest, &sent), Some(vec![3, 4, 5]));
        assert_eq!(kept(SlowClient::Latest, &sent), Some(vec![2, 4, 5]));
        assert_eq!(kept(SlowClient::Latest, &[("a", 1), ("b", 2), ("c", 3), ("d", 4)]), Some(vec![2, 3, 4]));
        assert_eq!(kept(SlowClient::Close, &sent[..3]), Some(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_dropped_is_counted_by_its_cause() {
        for (policy, expected) in
            [(SlowClient::Close, [1, 0, 0]), (SlowClient::DropOldest, [0, 2, 0]), (SlowClient::Latest, [0, 1, 1])]
        {
            let outbox = of_route(policy);
            for (event_type, number) in [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("d", 5)] {
                outbox.deliver(&event(event_type, number));
            }
            assert_eq!(counted(&outbox), expected, "{policy:?}");
        }
    }

    #[test]
    fn only_the_latest_of_a_type_waits_for_a_client_that_takes_nothing() {
        let outbox = of_route(SlowClient::Latest);
        outbox.deliver(&event("a", 1));
        outbox.deliver(&event("a", 2));
        assert_eq!(rest(&outbox), Some(vec![1, 2]), "a client that reads gets both");
        outbox.set_stalled(true);
        for (event_type, number) in [("a", 1), ("b", 2), ("a", 3)] {
            outbox.deliver(&event(event_type, number));
        }
        assert_eq!(rest(&outbox), Some(vec![2, 3]));
        outbox.set_stalled(false);
        outbox.deliver(&event("a", 4));
        outbox.deliver(&event("a", 5));
        assert_eq!(rest(&outbox), Some(vec![4, 5]));
    }

    #[test]
    fn a_ping_makes_room_for_itself_where_events_may_be_dropped() {
        for (policy, events, is_closed) in [
            (SlowClient::DropOldest, Some(vec![2, 3]), false),
            (SlowClient::Latest, Some(vec![2, 3]), false),
            (SlowClient::Close, None, true),
        ] {
            let outbox = of_route(policy);
            for (event_type, number) in [("a", 1), ("b", 2), ("c", 3)] {
                outbox.deliver(&event(event_type, number));
            }
            outbox.send(codec::ping(b"1234"));
            assert_eq!(outbox.is_closed(), is_closed, "{policy:?}");
            outbox.take();
            assert_eq!(rest(&outbox), events, "{policy:?}");
        }
    }

    #[test]
    fn a_signal_is_seen_once_whether_the_task_sleeps_or_runs() {
        let outbox = Outbox::default();
        outbox.wake_up();
        outbox.signal(TIMER);
        assert_eq!(outbox.poll_signals(Waker::noop()), TIMER);
        assert_eq!(outbox.poll_signals(Waker::noop()), 0);
        outbox.signal(QUEUED);
        assert_eq!(outbox.poll_signals(Waker::noop()), QUEUED);
    }
}
