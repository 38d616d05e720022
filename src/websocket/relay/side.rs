//! One of a relay's two connections.

use std::{io, task::Context};

use super::{
    header::masked_control,
    output::Output,
    tracker::{Control, MAX_TAIL, Sender, Tracker},
};
use crate::{
    upstream::Stream,
    websocket::{codec, random::random_bytes, scratch},
};

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// One connection: what comes from it is tracked, what goes to it is written as far as it takes it.
#[derive(Debug)]
pub(super) struct Side {
    sender: Sender,
    /// `None`: nobody is there for the moment.
    pub(super) stream: Option<Stream>,
    pub(super) tracker: Tracker,
    pub(super) output: Output,
    /// It sent its close frame, or something that cannot be read on: whatever comes is thrown away.
    pub(super) is_done: bool,
    /// The payload of the ping that was not answered yet.
    pub(super) awaiting: Option<[u8; 4]>,
    /// Since this was last asked, bytes have come.
    progress: bool,
    /// Since this was last asked, there was a time when it was not read.
    was_unread: bool,
}

/// What a connection is ready for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readiness {
    pub(super) writable: bool,
    pub(super) readable: bool,
}

impl Readiness {
    pub(super) const fn is_any(self) -> bool {
        self.writable || self.readable
    }
}

/// What came of reading.
#[derive(Debug)]
pub(super) enum Input {
    Said(Vec<Control>),
    /// The sender broke the protocol behind that.
    Violation(Vec<Control>, &'static str),
    Gone,
}

/// Whether a peer that has not answered a ping may take longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alive {
    Yes,
    /// It could not answer yet.
    Unknown,
    No,
}

impl Side {
    pub(super) fn new(sender: Sender, stream: Stream) -> Self {
        Self { stream: Some(stream), ..Self::absent(sender) }
    }

    /// Another peer will come in place of the one that is gone.
    pub(super) fn forget_peer(&mut self) {
        *self = Self { output: std::mem::take(&mut self.output), ..Self::absent(self.sender) };
    }

    /// Nobody is there yet.
    fn absent(sender: Sender) -> Self {
        Self {
            sender,
            stream: None,
            tracker: Tracker::new(sender),
            output: Output::default(),
            is_done: false,
            awaiting: None,
            progress: false,
            was_unread: false,
        }
    }

    /// What can be done. `room`: whether what it says can go on.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, room: bool) -> Readiness {
        Readiness { writable: self.poll_writable(context), readable: self.poll_readable(context, room) }
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> bool {
        match &self.stream {
            // An error: the next write tells.
            Some(stream) if !self.output.is_flushed() => stream.poll_write_ready(context).is_ready(),
            _ => false,
        }
    }

    fn poll_readable(&mut self, context: &mut Context<'_>, room: bool) -> bool {
        let Some(stream) = &self.stream else { return false };
        if !room || self.output.is_overfull() {
            self.was_unread = true;
            return false;
        }
        stream.poll_read_ready(context).is_ready()
    }

    pub(super) fn flush(&mut self) {
        self.output.flush(self.stream.as_ref());
    }

    /// Reads once, at most `limit` bytes, and passes them on to `other`.
    pub(super) fn read_to(&mut self, other: &mut Self, limit: usize) -> Input {
        scratch::with_buffer(|buffer| {
            let Some(stream) = &self.stream else { return Input::Said(Vec::new()) };
            let kept = self.tracker.begin(buffer);
            let room = (buffer.len() - kept).min(limit.max(1));
            match stream.try_read(&mut buffer[kept..kept + room]) {
                Ok(0) => Input::Gone,
                Ok(length) => {
                    self.progress = true;
                    self.pass(&mut buffer[..kept + length], other)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Said(Vec::new()),
                Err(_) => Input::Gone,
            }
        })
    }

    /// Passes on what was read elsewhere, as if it came now.
    pub(super) fn take_early(&mut self, early: &[u8], other: &mut Self) -> Input {
        if early.is_empty() {
            return Input::Said(Vec::new());
        }
        let mut bytes = vec![0; MAX_TAIL];
        let kept = self.tracker.begin(&mut bytes);
        bytes.truncate(kept);
        bytes.extend_from_slice(early);
        self.pass(&mut bytes, other)
    }

    fn pass(&mut self, bytes: &mut [u8], other: &mut Self) -> Input {
        if self.is_done {
            return Input::Said(Vec::new());
        }
        let taken = self.tracker.take(bytes);
        let passed = bytes.get(..taken.length).unwrap_or_default();
        if !passed.is_empty() {
            other.output.pass(passed, taken.boundary, self.tracker.position(), other.stream.as_ref());
        }
        match taken.violation {
            None => Input::Said(taken.controls),
            Some(violation) => Input::Violation(taken.controls, violation),
        }
    }

    pub(super) fn ping(&mut self, payload: [u8; 4]) {
        self.awaiting = Some(payload);
        self.insert(PING, &payload);
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        self.insert(PONG, payload);
    }

    fn insert(&mut self, opcode: u8, payload: &[u8]) {
        let frame = self.control(opcode, payload);
        self.output.insert(&frame, self.stream.as_ref());
    }

    /// Closes behind what waits, with a code and a reason as a close frame holds them. The first close counts.
    pub(super) fn close(&mut self, payload: &[u8]) {
        let frame = self.control(CLOSE, payload);
        self.pass_close(&frame);
    }

    /// Closes by the other side's own frame.
    pub(super) fn pass_close(&mut self, frame: &[u8]) {
        self.output.close(frame, self.stream.as_ref());
    }

    /// Answers a close frame of a peer that is left at once, if the answer can leave at once.
    pub(super) fn answer_close(&self, payload: &[u8]) {
        if let (Some(stream), true) = (&self.stream, self.output.takes_more() && !self.output.is_in_frame()) {
            // Its server restarts, and does not wait for it.
            let _ = stream.try_write(&self.control(CLOSE, payload));
        }
    }

    /// A control frame in the form that this side takes.
    fn control(&self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        match (self.sender, opcode) {
            (Sender::Server, _) => masked_control(opcode, payload, random_bytes()),
            (Sender::Client, PING) => codec::ping(payload).into(),
            (Sender::Client, PONG) => codec::pong(payload).into(),
            (Sender::Client, _) => codec::close_with_payload(payload).into(),
        }
    }

    /// Says what waits, then no more. A peer that cannot be told that is gone.
    pub(super) fn leave(&mut self, is_shut: &mut bool) {
        self.flush();
        let Some(stream) = &self.stream else { return };
        if self.output.is_flushed() && !*is_shut {
            *is_shut = true;
            if stream.shutdown_write().is_err() {
                self.stream = None;
            }
        }
    }

    /// Throws away what comes, until the peer is gone. Answers whether there was something to do.
    pub(super) fn poll_leaving(&mut self, context: &mut Context<'_>) -> bool {
        let is_writable = self.poll_writable(context);
        let Some(stream) = &self.stream else { return is_writable };
        if stream.poll_read_ready(context).is_pending() {
            return is_writable;
        }
        match scratch::with_buffer(|buffer| stream.try_read(buffer)) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.stream = None,
        }
        true
    }

    /// Whether the peer lives, when the time for its answer to a ping is over. `room`: whether it can be read.
    pub(super) fn is_alive(&mut self, room: bool) -> Alive {
        let has_taken = self.output.take_progress();
        let has_said = std::mem::take(&mut self.progress);
        let was_unread = std::mem::take(&mut self.was_unread) || !room;
        if self.stream.is_none() || self.awaiting.is_none() {
            return Alive::Yes;
        }
        let is_pending = if self.output.is_flushed() {
            // Our ping waits for the end of a frame that the other side sends; or the answer could not be read yet, or
            // comes behind the frame that arrives.
            self.output.keeps_own() || was_unread || (self.tracker.is_in_frame() && has_said)
        } else {
            has_taken
        };
        if is_pending { Alive::Unknown } else { Alive::No }
    }
}
