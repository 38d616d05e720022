//! Frames: bytes in, events out (RFC 6455), with the checks and reasons of websockets 17.4 under uvicorn 0.54.
//!
//! A [`Decoder`] holds no buffer between messages: what a frame announces is never reserved, only what has arrived.

use std::{borrow::Cow, io::Cursor};

use bytes::Bytes;
use tungstenite::{
    Error,
    error::ProtocolError,
    protocol::frame::{
        FrameHeader,
        coding::{Control, Data, OpCode},
    },
};

use super::close::{CloseFrame, is_valid_code};

/// The longest payload of a control frame.
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

/// The longest header of a frame that a client may send.
const MAX_HEADER: usize = 14;

/// One thing that a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Text(String),
    Binary(Vec<u8>),
    /// A message as permessage-deflate has it, yet to be inflated.
    Compressed {
        is_text: bool,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// `None`: a close frame without a code.
    Close(Option<CloseFrame>),
}

/// What a client did against the protocol: the close frame that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    pub(crate) reason: Cow<'static, str>,
}

impl Violation {
    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason: Cow::Borrowed(reason) }
    }

    /// uvicorn sends no reason with text that is not UTF-8.
    pub(super) const fn invalid_text() -> Self {
        Self { code: 1007, reason: Cow::Borrowed("") }
    }
}

/// The frame whose payload is arriving.
#[derive(Debug)]
struct Arriving {
    kind: Kind,
    is_final: bool,
    /// Turned so that its first byte is for the next byte of the payload.
    mask: [u8; 4],
    remaining: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

/// The message whose frames are arriving.
#[derive(Debug)]
struct Message {
    is_text: bool,
    is_compressed: bool,
    payload: Vec<u8>,
    /// How much of a text is known to be UTF-8.
    checked: usize,
}

/// A frame's header, the length of its payload, and what came behind it.
type Header<'a> = (FrameHeader, u64, &'a mut [u8]);

/// The reading half of one connection's protocol.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_message_size: usize,
    header: [u8; MAX_HEADER],
    header_len: u8,
    closed: bool,
    /// Whether messages may be compressed.
    takes_compressed: bool,
    frame: Option<Arriving>,
    message: Option<Box<Message>>,
    /// The payload of a control frame, as far as it has arrived.
    control: Vec<u8>,
}

impl Decoder {
    pub(crate) const fn new(max_message_size: usize) -> Self {
        Self {
            max_message_size,
            header: [0; MAX_HEADER],
            header_len: 0,
            closed: false,
            takes_compressed: false,
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Takes compressed messages, too: permessage-deflate was agreed on.
    pub(crate) const fn with_compressed(mut self) -> Self {
        self.takes_compressed = true;
        self
    }

    /// Takes what has arrived, cut anywhere, and appends what it says to `events`. Nothing after a close frame counts.
    /// The bytes of `input` are unmasked in place.
    ///
    /// # Errors
    ///
    /// The [`Violation`] that ends the connection; the events before it are in `events`.
    pub(crate) fn decode(&mut self, mut input: &mut [u8], events: &mut Vec<Event>) -> Result<(), Violation> {
        while !self.closed {
            if self.frame.is_none() {
                let Some((header, length, rest)) = self.take_header(input)? else { return Ok(()) };
                input = rest;
                self.frame = Some(self.begin(&header, length)?);
            }
            let Some(frame) = self.frame.as_mut() else { return Ok(()) };
            let taken = frame.remaining.min(input.len());
            if taken == 0 && frame.remaining > 0 {
                return Ok(());
            }
            let (part, rest) = input.split_at_mut(taken);
            input = rest;
            unmask(part, frame.mask);
            frame.mask.rotate_left(taken % 4);
            frame.remaining -= taken;
            let (kind, is_final, remaining) = (frame.kind, frame.is_final, frame.remaining);
            if kind == Kind::Data {
                self.append(part, remaining, remaining == 0 && is_final)?;
            } else {
                self.control.extend_from_slice(part);
            }
            if remaining == 0 {
                self.frame = None;
                self.end(kind, is_final, events)?;
            }
        }
        Ok(())
    }

    /// The next frame's header, if all of it is there.
    fn take_header<'a>(&mut self, input: &'a mut [u8]) -> Result<Option<Header<'a>>, Violation> {
        let held = usize::from(self.header_len);
        let added = input.len().min(MAX_HEADER - held);
        self.header[held..held + added].copy_from_slice(&input[..added]);
        let available = held + added;
        let mut cursor = Cursor::new(&self.header[..available]);
        match FrameHeader::parse(&mut cursor) {
            Ok(Some((header, length))) => {
                let used = usize::try_from(cursor.position()).unwrap_or(available);
                self.header_len = 0;
                Ok(Some((header, length, &mut input[used.saturating_sub(held)..])))
            }
            Ok(None) => {
                self.header_len = u8::try_from(available).unwrap_or(0);
                Ok(None)
            }
            Err(Error::Protocol(ProtocolError::InvalidOpcode(_))) => Err(Violation::protocol("invalid opcode")),
            Err(_) => Err(Violation::protocol("invalid frame header")),
        }
    }

    /// Checks a header, in the order of websockets' `Frame.parse`, `Frame.check` and `Protocol.recv_frame`.
    fn begin(&mut self, header: &FrameHeader, length: u64) -> Result<Arriving, Violation> {
        let Some(mask) = header.mask else { return Err(Violation::protocol("incorrect masking")) };
        let is_control = matches!(header.opcode, OpCode::Control(_));
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if !is_control {
            self.check_size(header.opcode, size)?;
        }
        let is_first = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        let is_compressed = header.rsv1 && is_first && self.takes_compressed;
        if header.rsv1 && header.opcode == OpCode::Data(Data::Continue) && self.is_in_compressed() {
            return Err(Violation::protocol("RSV1 bit set in continuation frame"));
        }
        if (header.rsv1 && !is_compressed) || header.rsv2 || header.rsv3 {
            return Err(Violation::protocol("reserved bits must be 0"));
        }
        if is_control && size > MAX_CONTROL_PAYLOAD {
            return Err(Violation::protocol("control frame too long"));
        }
        if is_control && !header.is_final {
            return Err(Violation::protocol("fragmented control frame"));
        }
        let kind = match header.opcode {
            OpCode::Data(Data::Continue) if self.message.is_none() => {
                return Err(Violation::protocol("unexpected continuation frame"));
            }
            OpCode::Data(Data::Continue) => Kind::Data,
            OpCode::Data(_) if self.message.is_some() => {
                return Err(Violation::protocol("expected a continuation frame"));
            }
            OpCode::Data(data) => {
                let message = Message { is_text: data == Data::Text, is_compressed, payload: Vec::new(), checked: 0 };
                self.message = Some(Box::new(message));
                Kind::Data
            }
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(_) => Kind::Close,
        };
        Ok(Arriving { kind, is_final: header.is_final, mask, remaining: size })
    }

    fn is_in_compressed(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.is_compressed)
    }

    /// The limit counts all fragments of a message. The sentences are `PayloadTooBig`'s.
    fn check_size(&self, opcode: OpCode, size: usize) -> Result<(), Violation> {
        let max = self.max_message_size;
        let before = match (&self.message, opcode) {
            (Some(message), OpCode::Data(Data::Continue)) => Some(message.payload.len()),
            _ => None,
        };
        if size <= max.saturating_sub(before.unwrap_or(0)) {
            return Ok(());
        }
        let reason = match before {
            Some(before) => {
                format!("frame with {size} bytes after reading {before} bytes exceeds limit of {max} bytes")
            }
            None => format!("frame with {size} bytes exceeds limit of {max} bytes"),
        };
        Err(Violation { code: 1009, reason: Cow::Owned(reason) })
    }

    /// Adds a part of a data frame. A text is checked as it arrives, so that bad bytes end it at once.
    fn append(&mut self, part: &[u8], remaining: usize, is_last: bool) -> Result<(), Violation> {
        let Some(message) = self.message.as_deref_mut() else { return Ok(()) };
        let payload = &mut message.payload;
        if payload.capacity() - payload.len() < part.len() {
            // Doubles like any Vec, but not past the end of the frame.
            let doubled = payload.len().max(part.len());
            payload.reserve_exact(doubled.min(part.len() + remaining));
        }
        payload.extend_from_slice(part);
        if !message.is_text || message.is_compressed || is_last {
            return Ok(());
        }
        match std::str::from_utf8(&payload[message.checked..]) {
            Ok(_) => message.checked = payload.len(),
            Err(error) if error.error_len().is_none() => message.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::invalid_text()),
        }
        Ok(())
    }

    fn end(&mut self, kind: Kind, is_final: bool, events: &mut Vec<Event>) -> Result<(), Violation> {
        let event = match kind {
            Kind::Data if !is_final => return Ok(()),
            Kind::Data => {
                let Some(message) = self.message.take() else { return Ok(()) };
                if message.is_compressed {
                    Event::Compressed { is_text: message.is_text, payload: message.payload }
                } else if message.is_text {
                    Event::Text(String::from_utf8(message.payload).map_err(|_| Violation::invalid_text())?)
                } else {
                    Event::Binary(message.payload)
                }
            }
            Kind::Ping => Event::Ping(std::mem::take(&mut self.control)),
            Kind::Pong => Event::Pong(std::mem::take(&mut self.control)),
            Kind::Close => {
                let close = parse_close(&std::mem::take(&mut self.control))?;
                if self.message.is_some() {
                    return Err(Violation::protocol("incomplete fragmented message"));
                }
                self.closed = true;
                Event::Close(close)
            }
        };
        events.push(event);
        Ok(())
    }
}

/// websockets' `Close.parse` and `Close.check`.
fn parse_close(payload: &[u8]) -> Result<Option<CloseFrame>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Violation::protocol("close frame too short")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let reason = std::str::from_utf8(reason).map_err(|error| {
        let start = error.valid_up_to();
        let what = match (error.error_len(), reason.get(start)) {
            (None, _) => "unexpected end of data",
            (Some(_), Some(0x80..=0xc1 | 0xf5..=0xff)) => "invalid start byte",
            (Some(_), _) => "invalid continuation byte",
        };
        Violation { code: 1007, reason: Cow::Owned(format!("{what} at position {start}")) }
    })?;
    if !is_valid_code(code) {
        return Err(Violation::protocol("invalid status code"));
    }
    Ok(Some(CloseFrame { code, reason: reason.to_owned() }))
}

fn unmask(data: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = data.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// A frame of text or bytes, ready to be written to any number of sockets.
pub(crate) fn message(is_text: bool, payload: &[u8]) -> Bytes {
    encode(data(is_text), payload)
}

/// The same with a payload that is compressed, for sockets whose clients take it.
pub(crate) fn compressed(is_text: bool, payload: &[u8]) -> Bytes {
    write(&FrameHeader { opcode: data(is_text), rsv1: true, ..FrameHeader::default() }, payload)
}

const fn data(is_text: bool) -> OpCode {
    OpCode::Data(if is_text { Data::Text } else { Data::Binary })
}

#[cfg(any(test, feature = "internals"))]
pub(crate) fn text(payload: &str) -> Bytes {
    message(true, payload.as_bytes())
}

#[cfg(any(test, feature = "internals"))]
pub(crate) fn binary(payload: &[u8]) -> Bytes {
    message(false, payload)
}

pub(crate) fn ping(payload: &[u8]) -> Bytes {
    encode(OpCode::Control(Control::Ping), payload)
}

pub(crate) fn pong(payload: &[u8]) -> Bytes {
    encode(OpCode::Control(Control::Pong), payload)
}

/// A close frame; `None`: without a code.
pub(crate) fn close(frame: Option<&CloseFrame>) -> Bytes {
    let mut payload = Vec::new();
    if let Some(CloseFrame { code, reason }) = frame {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    close_with_payload(&payload)
}

/// A close frame with a payload that is one already.
pub(crate) fn close_with_payload(payload: &[u8]) -> Bytes {
    encode(OpCode::Control(Control::Close), payload)
}

/// The frame as a server sends it: whole and not masked.
fn encode(opcode: OpCode, payload: &[u8]) -> Bytes {
    write(&FrameHeader { opcode, ..FrameHeader::default() }, payload)
}

fn write(header: &FrameHeader, payload: &[u8]) -> Bytes {
    let length = payload.len() as u64;
    let mut frame = Vec::with_capacity(header.len(length) + payload.len());
    // Writing to a Vec does not fail.
    let _ = header.format(length, &mut frame);
    frame.extend_from_slice(payload);
    Bytes::from(frame)
}

#[cfg(test)]
mod tests;
