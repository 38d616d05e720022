use proptest::{collection::vec, prelude::*};

use super::*;

/// A frame of a conversation, without a meaning.
#[derive(Clone, Debug)]
struct Frame {
    opcode: u8,
    is_final: bool,
    reserved: u8,
    mask: [u8; 4],
    payload: Vec<u8>,
}

impl Frame {
    fn bytes(&self, sender: Sender) -> Vec<u8> {
        let mask_bit = if sender == Sender::Client { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode];
        match self.payload.len() {
            length @ 0..126 => bytes.push(mask_bit | u8::try_from(length).unwrap()),
            length @ 126..65536 => {
                bytes.push(mask_bit | 0x7e);
                bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 0x7f);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if sender == Sender::Client {
            bytes.extend_from_slice(&self.mask);
            bytes.extend(self.payload.iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }

    fn is_control(&self) -> bool {
        self.opcode >= 8
    }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let data = (
        0..3_u8,
        any::<bool>(),
        0..8_u8,
        any::<[u8; 4]>(),
        prop_oneof![
            8 => vec(any::<u8>(), 0..200),
            1 => vec(any::<u8>(), 126..300),
            1 => Just(vec![7; 65_536]),
        ],
    );
    let control = (9..11_u8, Just(true), 0..8_u8, any::<[u8; 4]>(), vec(any::<u8>(), 0..126));
    let frame = prop_oneof![3 => data.boxed(), 1 => control.boxed()];
    frame.prop_map(|(opcode, is_final, reserved, mask, payload)| Frame { opcode, is_final, reserved, mask, payload })
}

/// Feeds `bytes` in pieces of the given lengths, over and over, as reads do.
fn feed(tracker: &mut Tracker, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<Control>, Option<&'static str>) {
    let (mut passed, mut controls) = (Vec::new(), Vec::new());
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        rest = behind;
        let mut buffer = vec![0; MAX_TAIL + piece.len()];
        let kept = tracker.begin(&mut buffer);
        buffer[kept..kept + piece.len()].copy_from_slice(piece);
        let before = tracker.position();
        let taken = tracker.take(&mut buffer[..kept + piece.len()]);
        if let Some(boundary) = taken.boundary {
            let end = place(before, &buffer[..boundary]);
            assert!(end.is_some_and(Position::is_between_frames), "{boundary} is within a frame");
        }
        passed.extend_from_slice(&buffer[..taken.length]);
        let is_over = matches!(taken.controls.last(), Some(Control::Close { .. }));
        controls.extend(taken.controls);
        if taken.violation.is_some() || is_over {
            return (passed, controls, taken.violation);
        }
    }
    (passed, controls, None)
}

/// Where `bytes` end that start at `position`, the slow way.
fn place(mut position: Position, bytes: &[u8]) -> Option<Position> {
    let mut at = 0;
    loop {
        let passed = usize::try_from(position.remaining).unwrap().min(bytes.len() - at);
        at += passed;
        position.remaining -= passed as u64;
        if at == bytes.len() {
            return Some(position);
        }
        let start = Start::read(&bytes[at..])?;
        position.remaining = start.payload_length(&bytes[at..]);
        position.in_message = !start.is_final;
        at += start.header_length();
    }
}

proptest! {
    #[test]
    fn any_frames_in_any_pieces_pass_unchanged_and_controls_are_taken_out(
        frames in vec(any_frame(), 0..12),
        cuts in vec(1..400_usize, 1..8),
        is_client: bool,
    ) {
        let sender = if is_client { Sender::Client } else { Sender::Server };
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes(sender)).collect();
        let data: Vec<u8> = frames.iter().filter(|frame| !frame.is_control()).flat_map(|frame| frame.bytes(sender)).collect();
        let controls: Vec<Control> = frames.iter().filter(|frame| frame.is_control()).map(|frame| {
            if frame.opcode == 9 { Control::Ping(frame.payload.clone()) } else { Control::Pong(frame.payload.clone()) }
        }).collect();
        for cuts in [&cuts[..], &[1], &[usize::MAX]] {
            let mut tracker = Tracker::new(sender);
            prop_assert_eq!(feed(&mut tracker, &bytes, cuts), (data.clone(), controls.clone(), None));
            let last = frames.iter().rfind(|frame| !frame.is_control());
            prop_assert_eq!(tracker.position(), Position { remaining: 0, in_message: last.is_some_and(|frame| !frame.is_final) });
            prop_assert!(!tracker.is_in_frame());
        }
    }

    #[test]
    fn any_bytes_are_followed_or_refused_without_a_panic(bytes: Vec<u8>, cuts in vec(1..40_usize, 1..4), is_client: bool) {
        let sender = if is_client { Sender::Client } else { Sender::Server };
        let whole = feed(&mut Tracker::new(sender), &bytes, &[usize::MAX]);
        prop_assert_eq!(feed(&mut Tracker::new(sender), &bytes, &cuts), whole);
    }

    #[test]
    fn the_next_message_is_found_from_any_place(frames in vec(any_frame(), 1..8), from: prop::sample::Index, skip: prop::sample::Index) {
        let frames: Vec<Vec<u8>> = frames.iter().map(|frame| frame.bytes(Sender::Client)).collect();
        let bytes = frames.concat();
        // The places between messages: behind a data frame that is final, or a control frame in no message.
        let mut places = vec![0];
        let (mut at, mut in_message) = (0, false);
        for frame in &frames {
            at += frame.len();
            let start = Start::read(frame).unwrap();
            if !start.is_control() {
                in_message = !start.is_final;
            }
            if !in_message {
                places.push(at);
            }
        }
        let from = from.index(bytes.len() + 1);
        let expected = places.iter().copied().find(|place| *place >= from);
        prop_assert_eq!(Position::default().next_message(&bytes, from), expected);
        // The same, from the middle of a data frame's payload on.
        let skip = skip.index(bytes.len() + 1);
        if let Some(position) = place_of(&frames, skip) {
            let expected = places.iter().copied().find(|place| *place >= skip.max(from));
            let found = position.next_message(&bytes[skip..], from.saturating_sub(skip));
            prop_assert_eq!(found.map(|found| found + skip), expected);
        }
    }
}

/// The place after `skip` bytes, where that is between frames or in a payload.
fn place_of(frames: &[Vec<u8>], skip: usize) -> Option<Position> {
    let mut at = 0;
    let mut in_message = false;
    for frame in frames {
        if at == skip {
            break;
        }
        let start = Start::read(frame)?;
        if !start.is_control() {
            in_message = !start.is_final;
        }
        if skip < at + frame.len() {
            let is_in_payload = skip >= at + start.header_length() && !start.is_control();
            let remaining = (at + frame.len() - skip) as u64;
            return is_in_payload.then_some(Position { remaining, in_message });
        }
        at += frame.len();
    }
    Some(Position { remaining: 0, in_message })
}

#[test]
fn nothing_counts_behind_a_close() {
    let close = Frame { opcode: 8, is_final: true, reserved: 0, mask: [1, 2, 3, 4], payload: b"\x03\xe8bye".to_vec() };
    let text = Frame { opcode: 1, payload: b"x".to_vec(), ..close.clone() };
    let frame = close.bytes(Sender::Client);
    let bytes = [text.bytes(Sender::Client), frame.clone(), text.bytes(Sender::Client), vec![0xff; 3]].concat();
    let found = feed(&mut Tracker::new(Sender::Client), &bytes, &[usize::MAX]);
    assert_eq!(found, (text.bytes(Sender::Client), vec![Control::Close { frame, payload: close.payload }], None));
}

#[test]
fn a_frame_that_leads_nowhere_is_named_in_websockets_words() {
    for (bytes, sender, words) in [
        (&[0x83, 0x80][..], Sender::Client, "invalid opcode"),
        (&[0x8b, 0x80], Sender::Client, "invalid opcode"),
        (&[0x81, 0x01], Sender::Client, "incorrect masking"),
        (&[0x81, 0x81], Sender::Server, "incorrect masking"),
        (&[0x89, 0xfe], Sender::Client, "control frame too long"),
        (&[0x08, 0x80], Sender::Client, "fragmented control frame"),
    ] {
        assert_eq!(feed(&mut Tracker::new(sender), bytes, &[1]).2, Some(words), "{bytes:?}");
    }
}
