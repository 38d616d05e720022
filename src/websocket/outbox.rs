//! What waits to be sent to one client, and how its task is woken.
//!
//! An idle socket owns no queue: the outbox allocates while frames wait in it and gives everything back when its task
//! takes them.
//!
//! A peer that does not read: once [`MAX_WAITING_BYTES`] or [`MAX_WAITING_FRAMES`] wait, the waiting frames are dropped
//! and the socket is closed with 1013 `too slow`. A single frame is always taken, however long it is.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::Waker,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use super::{close::CloseFrame, codec};
use crate::consumer::{Close, Outlet};

const MAX_WAITING_FRAMES: usize = 1024;
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
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
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    close: Option<CloseFrame>,
    /// No further frame is taken.
    is_closed: bool,
}

impl Outbox {
    /// Queues an encoded frame. Dropped silently once the socket is closing, as Channels drops late messages.
    pub(crate) fn send(&self, frame: Bytes) {
        {
            let mut waiting = self.lock();
            if waiting.is_closed {
                return;
            }
            let is_full = waiting.frames.len() >= MAX_WAITING_FRAMES
                || (!waiting.frames.is_empty() && waiting.bytes + frame.len() > MAX_WAITING_BYTES);
            if is_full {
                *waiting = Waiting {
                    close: Some(CloseFrame::new(CloseFrame::TRY_AGAIN_LATER, "too slow")),
                    is_closed: true,
                    ..Waiting::default()
                };
            } else {
                waiting.bytes += frame.len();
                waiting.frames.push_back(frame);
            }
        }
        self.signal(QUEUED);
    }

    /// Closes the socket after what waits. The first close counts.
    pub(crate) fn close_with(&self, frame: CloseFrame) {
        {
            let mut waiting = self.lock();
            if waiting.is_closed {
                return;
            }
            waiting.is_closed = true;
            waiting.close = Some(frame);
        }
        self.signal(QUEUED);
    }

    /// Whether [`close_with`](Self::close_with) was called, or the peer was too slow.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Whether so much waits that it is to be written before more is made.
    pub(super) fn is_flush_due(&self) -> bool {
        let waiting = self.lock();
        waiting.frames.len() >= FLUSH_FRAMES || waiting.bytes >= FLUSH_BYTES
    }

    /// Takes all that waits. With the close frame nothing more will come.
    pub(super) fn take(&self) -> (VecDeque<Bytes>, Option<CloseFrame>) {
        self.signals.fetch_and(!QUEUED, Ordering::SeqCst);
        let mut waiting = self.lock();
        waiting.bytes = 0;
        (std::mem::take(&mut waiting.frames), waiting.close.take())
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

impl Outlet for Outbox {
    fn send_text(&self, text: &str) {
        self.send(codec::text(text));
    }

    fn send_bytes(&self, bytes: &[u8]) {
        self.send(codec::binary(bytes));
    }

    fn close(&self, close: Close) {
        self.close_with(CloseFrame { code: close.code(), reason: close.into_reason() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_outbox_is_small_and_owns_nothing() {
        let outbox = Outbox::default();
        outbox.send(codec::text("x"));
        let (frames, close) = outbox.take();
        assert_eq!((frames.len(), close), (1, None));
        assert_eq!(outbox.lock().frames.capacity(), 0);
        assert!(size_of::<Outbox>() <= 128, "{}", size_of::<Outbox>());
    }

    #[test]
    fn a_peer_that_does_not_read_loses_what_waits_and_is_closed() {
        let outbox = Outbox::default();
        for _ in 0..MAX_WAITING_FRAMES {
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
        outbox.send(codec::binary(&vec![0; 2 * MAX_WAITING_BYTES]));
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
