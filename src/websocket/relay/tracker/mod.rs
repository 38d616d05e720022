//! Where frames begin and end in one direction of a relay, whatever the cuts between reads.
//!
//! Data frames are not looked into: their bytes pass as they are, masks and reserved bits too. Control frames are taken
//! out, because pings and pongs belong to one connection, and a close may have to be answered here.

use super::header::{MAX_CONTROL_FRAME, Start, control_payload};

/// The most that a [`Tracker`] keeps back: a frame's first bytes, before it is known what they are.
pub(super) const MAX_TAIL: usize = MAX_CONTROL_FRAME - 1;

/// Who sends in a direction: a client's frames are masked, a server's are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

/// A place in a direction's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// What is left of the data frame's payload; 0: between frames.
    pub(super) remaining: u64,
    /// A message has begun that is not complete: its last frame was not the final one.
    pub(super) in_message: bool,
}

impl Position {
    /// A control frame may stand here.
    pub(super) const fn is_between_frames(self) -> bool {
        self.remaining == 0
    }

    /// Another message may begin here.
    pub(super) const fn is_between_messages(self) -> bool {
        self.remaining == 0 && !self.in_message
    }

    /// Passes the whole frames and parts of frames that `bytes` are. Answers how many bytes it passed before the first
    /// place from `from` on at which a message may begin, if there is one.
    pub(super) fn next_message(mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = 0;
        loop {
            let left = bytes.len() - at;
            let passed = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(left);
            at += passed;
            self.remaining -= passed as u64;
            if self.remaining > 0 {
                return None;
            }
            if at >= from && !self.in_message {
                return Some(at);
            }
            let rest = bytes.get(at..)?;
            let start = Start::read(rest)?;
            let header = rest.get(..start.header_length())?;
            at += header.len();
            self.remaining = start.payload_length(header);
            if !start.is_control() {
                self.in_message = !start.is_final;
            }
        }
    }
}

/// A control frame that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The frame itself as it came, and its payload.
    Close {
        frame: Vec<u8>,
        payload: Vec<u8>,
    },
}

/// What bytes are that were taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// So many of the first bytes are to be passed on.
    pub(super) length: usize,
    /// The first place in them where a frame has ended.
    pub(super) boundary: Option<usize>,
    /// In their order. Nothing comes after a close.
    pub(super) controls: Vec<Control>,
    /// What the sender did that leaves no frames behind it.
    pub(super) violation: Option<&'static str>,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Tracker {
    sender: Sender,
    position: Position,
    /// The first bytes of a frame that are not passed on yet: of its header, or of a control frame.
    tail: Vec<u8>,
}

impl Tracker {
    pub(super) const fn new(sender: Sender) -> Self {
        Self { sender, position: Position { remaining: 0, in_message: false }, tail: Vec::new() }
    }

    /// Where what was passed on ends.
    pub(super) const fn position(&self) -> Position {
        self.position
    }

    /// Whether the sender is within a frame, so that no other can come before its rest.
    pub(super) fn is_in_frame(&self) -> bool {
        self.position.remaining > 0 || !self.tail.is_empty()
    }

    /// Writes what was kept back to the front of `buffer`, behind which the next bytes are to be read. At most
    /// [`MAX_TAIL`] bytes.
    pub(super) fn begin(&self, buffer: &mut [u8]) -> usize {
        buffer[..self.tail.len()].copy_from_slice(&self.tail);
        self.tail.len()
    }

    /// Takes `bytes`, which start with what [`begin`](Self::begin) wrote, and moves what is to be passed on to their
    /// front.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Taken {
        let mut taken = Taken::default();
        let mut at = 0;
        self.tail.clear();
        while at < bytes.len() {
            if self.position.remaining > 0 {
                let passed = usize::try_from(self.position.remaining).unwrap_or(usize::MAX).min(bytes.len() - at);
                at = pass(bytes, at, passed, &mut taken);
                self.position.remaining -= passed as u64;
                if self.position.remaining == 0 {
                    taken.boundary.get_or_insert(taken.length);
                }
                continue;
            }
            let frame = &bytes[at..];
            let Some(start) = Start::read(frame) else { break };
            if let Some(violation) = self.violation(start) {
                taken.violation = Some(violation);
                return taken;
            }
            let Some(header) = frame.get(..start.header_length()) else { break };
            let payload_length = start.payload_length(header);
            if start.is_control() {
                let length = header.len() + usize::try_from(payload_length).unwrap_or(usize::MAX);
                let Some(frame) = frame.get(..length) else { break };
                at += length;
                let payload = control_payload(start, frame);
                match start.opcode {
                    9 => taken.controls.push(Control::Ping(payload)),
                    10 => taken.controls.push(Control::Pong(payload)),
                    _ => {
                        taken.controls.push(Control::Close { frame: frame.to_vec(), payload });
                        return taken;
                    }
                }
                continue;
            }
            let header_length = header.len();
            at = pass(bytes, at, header_length, &mut taken);
            self.position = Position { remaining: payload_length, in_message: !start.is_final };
            if payload_length == 0 {
                taken.boundary.get_or_insert(taken.length);
            }
        }
        let tail = &bytes[at..];
        if tail.is_empty() {
            self.tail = Vec::new();
        } else {
            self.tail.extend_from_slice(tail);
        }
        taken
    }

    /// What ends the connection, in websockets' words: without it the next frame's place is not known. All else is the
    /// receiver's to judge.
    fn violation(&self, start: Start) -> Option<&'static str> {
        if !start.is_known() {
            return Some("invalid opcode");
        }
        if start.is_masked != (self.sender == Sender::Client) {
            return Some("incorrect masking");
        }
        if start.is_control() && !start.is_short() {
            return Some("control frame too long");
        }
        if start.is_control() && !start.is_final {
            return Some("fragmented control frame");
        }
        None
    }
}

/// Moves `length` bytes from `at` to the end of what is passed on.
fn pass(bytes: &mut [u8], at: usize, length: usize, taken: &mut Taken) -> usize {
    if at != taken.length {
        bytes.copy_within(at..at + length, taken.length);
    }
    taken.length += length;
    at + length
}

#[cfg(test)]
mod tests;
