//! The header of a frame, as far as a relay looks at it.

use crate::websocket::codec::MAX_CONTROL_PAYLOAD;

/// The longest header.
pub(super) const MAX_HEADER: usize = 14;
/// The longest control frame.
pub(super) const MAX_CONTROL_FRAME: usize = MAX_HEADER + MAX_CONTROL_PAYLOAD;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const LONG: u8 = 126;
const VERY_LONG: u8 = 127;

/// The first two bytes: enough to judge a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) opcode: u8,
    pub(super) is_final: bool,
    pub(super) is_masked: bool,
    /// Up to 125 the length itself.
    length: u8,
}

impl Start {
    /// The start of the frame that `bytes` begin with, if it is there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let &[first, second, ..] = bytes else { return None };
        Some(Self {
            opcode: first & OPCODE,
            is_final: first & FINAL != 0,
            is_masked: second & MASKED != 0,
            length: second & !MASKED,
        })
    }

    pub(super) const fn is_known(self) -> bool {
        matches!(self.opcode, 0..=2 | 8..=10)
    }

    pub(super) const fn is_control(self) -> bool {
        self.opcode >= 8
    }

    /// Whether a control frame of this length may be.
    pub(super) const fn is_short(self) -> bool {
        self.length < LONG
    }

    /// How long the whole header is.
    pub(super) fn header_length(self) -> usize {
        let length = match self.length {
            LONG => 2,
            VERY_LONG => 8,
            _ => 0,
        };
        2 + length + if self.is_masked { 4 } else { 0 }
    }

    /// The payload's length, by the frame's `header`.
    pub(super) fn payload_length(self, header: &[u8]) -> u64 {
        let extended = |end: usize| {
            let bytes = header.get(2..end).unwrap_or_default();
            bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte))
        };
        match self.length {
            LONG => extended(4),
            VERY_LONG => extended(10),
            length => u64::from(length),
        }
    }
}

/// The payload of the whole control frame `frame`, unmasked.
pub(super) fn control_payload(start: Start, frame: &[u8]) -> Vec<u8> {
    let (header, payload) = frame.split_at_checked(start.header_length()).unwrap_or_default();
    let mask = if start.is_masked { header.get(header.len() - 4..).unwrap_or_default() } else { &[0; 4] };
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

/// A control frame as a client sends it.
pub(super) fn masked_control(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let payload = payload.get(..MAX_CONTROL_PAYLOAD).unwrap_or(payload);
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let mut frame = vec![FINAL | opcode, MASKED | length];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
