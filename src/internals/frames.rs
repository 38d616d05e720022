//! What a client sends over an open socket.

use crate::websocket::{
    close::CloseFrame,
    codec::{self, Decoder, Event, MAX_CONTROL_PAYLOAD, Violation},
};

/// The first byte of `data` is the limit of a message (in 16 bytes), the second says where the rest is cut.
///
/// # Panics
///
/// Where cuts change what is understood, where a limit is passed, and where what the server writes of the same content
/// is not read as the same.
pub fn frames(data: &[u8]) {
    let Some((&[limit, cuts], input)) = data.split_first_chunk() else { return };
    let limit = usize::from(limit) * 16;
    let (events, end) = decode(limit, &[input]);

    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(limit, &bytes), (events.clone(), end.clone()), "byte by byte");
    assert_eq!(decode(limit, &pieces(input, cuts)), (events.clone(), end.clone()), "in pieces");

    let last = events.len().saturating_sub(1);
    for (index, event) in events.iter().enumerate() {
        let (length, limit) = match event {
            Event::Text(text) => (text.len(), limit),
            Event::Binary(bytes) | Event::Compressed { payload: bytes, .. } => (bytes.len(), limit),
            Event::Ping(bytes) | Event::Pong(bytes) => (bytes.len(), MAX_CONTROL_PAYLOAD),
            Event::Close(close) => {
                assert_eq!(index, last, "something counts after a close frame");
                (close.as_ref().map_or(0, |close| close.reason.len() + 2), MAX_CONTROL_PAYLOAD)
            }
        };
        assert!(length <= limit, "{length} bytes of at most {limit}");
        let again = decode(usize::MAX, &[&masked(&encode(event))]);
        assert_eq!(again, (vec![event.clone()], Ok(())));
    }
    if let Err(Violation { code, reason }) = end {
        let close = Event::Close(Some(CloseFrame::new(code, &reason)));
        assert_eq!(decode(0, &[&masked(&encode(&close))]), (vec![close], Ok(())));
    }
}

fn decode(limit: usize, pieces: &[&[u8]]) -> (Vec<Event>, Result<(), Violation>) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    let end = pieces.iter().try_for_each(|piece| decoder.decode(&mut piece.to_vec(), &mut events));
    (events, end)
}

/// `input` in pieces of 0 to 15 bytes, by the bits of `cuts`.
fn pieces(mut input: &[u8], mut cuts: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !input.is_empty() {
        // Never 0 twice.
        let length = usize::from(cuts & 15).max(usize::from(pieces.last().is_some_and(|last: &&[u8]| last.is_empty())));
        let (piece, rest) = input.split_at(length.min(input.len()));
        pieces.push(piece);
        input = rest;
        cuts = cuts.rotate_left(3).wrapping_add(1);
    }
    pieces
}

fn encode(event: &Event) -> Vec<u8> {
    let frame = match event {
        Event::Text(text) => codec::text(text),
        Event::Binary(bytes) => codec::binary(bytes),
        Event::Compressed { is_text, payload } => codec::compressed(*is_text, payload),
        Event::Ping(bytes) => codec::ping(bytes),
        Event::Pong(bytes) => codec::pong(bytes),
        Event::Close(close) => codec::close(close.as_ref()),
    };
    frame.to_vec()
}

/// A server's frame as a client would send it, with a mask of zeros.
fn masked(frame: &[u8]) -> Vec<u8> {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let (header, payload) = frame.split_at(header);
    let mut masked = [header, &[0; 4], payload].concat();
    masked[1] |= 0x80;
    masked
}
