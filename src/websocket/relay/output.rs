//! What leaves towards one side of a relay: the other side's bytes, and control frames of our own between its frames.

use std::io;

use super::tracker::Position;
use crate::upstream::Stream;

/// The most bytes of our own control frames that wait for a peer that still says something.
const MAX_OWN: usize = 4 * 1024;

/// Bytes on their way to one side. While they leave at once, it owns nothing.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What did not leave yet, behind `sent` bytes that did: whole frames and parts of them.
    waiting: Vec<u8>,
    sent: usize,
    /// Where in the sender's frames `waiting` starts.
    start: Position,
    /// And where it ends.
    end: Position,
    /// Control frames of ours that wait until the sender's frame has ended.
    own: Vec<u8>,
    /// How many bytes of ours did not leave yet, here and among `waiting`.
    own_bytes: usize,
    ending: Ending,
    /// The stream takes nothing any more.
    is_broken: bool,
    /// The sender is here, in a message whose beginning another receiver had.
    skipping: Option<Position>,
    /// Bytes have left since this was last asked.
    progress: bool,
}

/// Whether a close frame ends the direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    No,
    /// The last of `own` is one.
    Wanted,
    /// One is among `waiting`, or gone: nothing follows it.
    Written,
}

impl Output {
    /// Nothing waits that could leave.
    pub(super) fn is_flushed(&self) -> bool {
        self.waiting.is_empty() || self.is_broken
    }

    /// Whether the sender may say more.
    pub(super) fn takes_more(&self) -> bool {
        self.waiting.is_empty() && !self.is_broken
    }

    /// Control frames of ours wait for the end of a frame.
    pub(super) fn keeps_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// The receiver takes none of our answers: it is not to be asked for more of them.
    pub(super) fn is_overfull(&self) -> bool {
        self.own_bytes > MAX_OWN && !self.is_broken
    }

    /// The sender is within a frame.
    pub(super) fn is_in_frame(&self) -> bool {
        !self.end.is_between_frames()
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() - self.sent + self.own.len()
    }

    /// Nothing more can be said.
    pub(super) fn is_closed(&self) -> bool {
        self.ending == Ending::Written
    }

    /// Whether the receiver waits for the rest of a frame or a message.
    pub(super) const fn position(&self) -> Position {
        self.end
    }

    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// Passes on `bytes`, which end at `end` in the sender's frames; `boundary` is the first place in them where a frame
    /// has ended. At once, if nothing waits before them; without a `stream` they are kept.
    pub(super) fn pass(&mut self, mut bytes: &[u8], boundary: Option<usize>, end: Position, stream: Option<&Stream>) {
        if self.is_closed() {
            return;
        }
        if let Some(position) = self.skipping {
            let Some(cut) = position.next_message(bytes, 0) else {
                self.skipping = Some(end);
                return;
            };
            self.skipping = None;
            bytes = &bytes[cut..];
        }
        if self.waiting.is_empty() {
            self.start = self.end;
        }
        self.end = end;
        if let (false, Some(boundary)) = (self.own.is_empty(), boundary) {
            let (before, behind) = bytes.split_at(boundary.min(bytes.len()));
            self.waiting.extend_from_slice(before);
            self.waiting.append(&mut self.own);
            self.own = Vec::new();
            if self.ending == Ending::Wanted {
                self.ending = Ending::Written;
                self.end = Position::default();
            } else {
                self.waiting.extend_from_slice(behind);
            }
            self.flush(stream);
        } else if self.waiting.is_empty() {
            let written = self.write(stream, bytes);
            if written < bytes.len() {
                // All of it, so that it is known later in which message what has left ends.
                self.waiting = bytes.to_vec();
                self.sent = written;
            } else {
                self.start = self.end;
            }
        } else {
            self.waiting.extend_from_slice(bytes);
            self.flush(stream);
        }
    }

    /// Puts a control frame of ours behind what waits, or behind the end of the frame that is passing.
    pub(super) fn insert(&mut self, frame: &[u8], stream: Option<&Stream>) {
        if self.ending != Ending::No || self.is_broken {
            return;
        }
        self.own_bytes += frame.len();
        if self.is_in_frame() {
            self.own.extend_from_slice(frame);
            return;
        }
        if self.waiting.is_empty() {
            self.start = self.end;
        }
        self.waiting.extend_from_slice(frame);
        self.flush(stream);
    }

    /// Puts a close frame behind what waits, and takes nothing after it. The first one counts.
    pub(super) fn close(&mut self, frame: &[u8], stream: Option<&Stream>) {
        if self.ending != Ending::No {
            return;
        }
        self.insert(frame, stream);
        let can_wait = self.is_in_frame() && !self.is_broken;
        self.ending = if can_wait { Ending::Wanted } else { Ending::Written };
    }

    /// Writes what waits, as far as `stream` takes it.
    pub(super) fn flush(&mut self, stream: Option<&Stream>) {
        while self.sent < self.waiting.len() && !self.is_broken {
            let waiting = std::mem::take(&mut self.waiting);
            let written = self.write(stream, &waiting[self.sent..]);
            self.waiting = waiting;
            self.sent += written;
            if written == 0 {
                return;
            }
        }
        if !self.waiting.is_empty() && !self.is_broken {
            self.waiting = Vec::new();
            self.sent = 0;
            self.own_bytes = self.own.len();
            self.start = self.end;
        }
    }

    /// One `write`. A stream that fails is not written to again: why, its reading tells.
    fn write(&mut self, stream: Option<&Stream>, bytes: &[u8]) -> usize {
        let Some(stream) = stream else { return 0 };
        if bytes.is_empty() || self.is_broken {
            return 0;
        }
        match stream.try_write(bytes) {
            Ok(0) => self.is_broken = true,
            Ok(written) => {
                self.progress = true;
                return written;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.is_broken = true,
        }
        0
    }

    /// The receiver is gone, and another may come: what it has had a part of is dropped. Answers whether that is a
    /// message whose beginning it had.
    pub(super) fn lose_receiver(&mut self) -> bool {
        self.own = Vec::new();
        self.own_bytes = 0;
        (self.ending, self.is_broken) = (Ending::No, false);
        let cut = self.start.next_message(&self.waiting, self.sent);
        let is_cut = if let Some(cut) = cut {
            self.waiting.drain(..cut);
            cut > self.sent
        } else {
            self.waiting = Vec::new();
            self.skipping = Some(self.end);
            self.end = Position::default();
            true
        };
        self.sent = 0;
        self.start = Position::default();
        if self.waiting.is_empty() {
            self.end = Position::default();
        }
        is_cut
    }
}
