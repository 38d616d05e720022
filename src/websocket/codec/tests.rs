use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 + u8::try_from(length).unwrap()),
        length @ 126..65536 => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const FIRST_TEXT: u8 = 0x01;
const MIDDLE: u8 = 0x00;
const LAST: u8 = 0x80;

fn decode(max: usize, input: &[u8]) -> (Vec<Event>, Result<(), Violation>) {
    let mut events = Vec::new();
    let result = Decoder::new(max).decode(&mut input.to_vec(), &mut events);
    (events, result)
}

fn violation(input: &[u8]) -> (u16, String) {
    let violation = decode(16, input).1.unwrap_err();
    (violation.code, violation.reason.into_owned())
}

fn refused(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

#[test]
fn a_message_in_fragments_with_control_frames_between_them_is_one_message() {
    let mut input = frame(FIRST_TEXT, b"Hel");
    input.extend(frame(PING, b"are you there"));
    input.extend(frame(MIDDLE, b""));
    input.extend(frame(PONG, b""));
    input.extend(frame(LAST, b"lo"));
    input.extend(frame(BINARY, &[0, 255]));
    let (events, result) = decode(1024, &input);
    assert_eq!(result, Ok(()));
    assert_eq!(
        events,
        [
            Event::Ping(b"are you there".to_vec()),
            Event::Pong(Vec::new()),
            Event::Text("Hello".to_owned()),
            Event::Binary(vec![0, 255]),
        ]
    );
}

#[test]
fn protocol_errors_are_told_in_the_words_of_websockets() {
    assert_eq!(violation(&[0x81, 0x00]), refused(1002, "incorrect masking"));
    assert_eq!(violation(&frame(0xc1, b"x")), refused(1002, "reserved bits must be 0"));
    assert_eq!(violation(&frame(0x83, b"")), refused(1002, "invalid opcode"));
    assert_eq!(violation(&frame(0x8f, b"")), refused(1002, "invalid opcode"));
    assert_eq!(violation(&frame(PING, &[0; 126])), refused(1002, "control frame too long"));
    assert_eq!(violation(&frame(0x09, b"")), refused(1002, "fragmented control frame"));
    assert_eq!(violation(&frame(LAST, b"x")), refused(1002, "unexpected continuation frame"));
    let twice = [frame(FIRST_TEXT, b"a"), frame(TEXT, b"b")].concat();
    assert_eq!(violation(&twice), refused(1002, "expected a continuation frame"));
    let cut_short = [frame(FIRST_TEXT, b"a"), frame(CLOSE, &[3, 232])].concat();
    assert_eq!(violation(&cut_short), refused(1002, "incomplete fragmented message"));
}

#[test]
fn close_frames_are_checked() {
    assert_eq!(violation(&frame(CLOSE, &[3])), refused(1002, "close frame too short"));
    assert_eq!(violation(&frame(CLOSE, &999_u16.to_be_bytes())), refused(1002, "invalid status code"));
    assert_eq!(violation(&frame(CLOSE, &1005_u16.to_be_bytes())), refused(1002, "invalid status code"));
    let reason = |bytes: &[u8]| violation(&frame(CLOSE, &[&[3, 232], bytes].concat()));
    assert_eq!(reason(b"ok\xff"), refused(1007, "invalid start byte at position 2"));
    assert_eq!(reason(b"\xe2\x28"), refused(1007, "invalid continuation byte at position 0"));
    assert_eq!(reason(b"a\xe2\x82"), refused(1007, "unexpected end of data at position 1"));
    assert_eq!(decode(16, &frame(CLOSE, b"")).0, [Event::Close(None)]);
}

#[test]
fn nothing_after_a_close_frame_counts() {
    let input = [frame(CLOSE, b"\x0f\xa1bye"), frame(0x83, b"x"), frame(TEXT, b"x")].concat();
    let (events, result) = decode(16, &input);
    assert_eq!(result, Ok(()));
    assert_eq!(events, [Event::Close(Some(CloseFrame { code: 4001, reason: "bye".to_owned() }))]);
}

#[test]
fn exactly_the_limit_is_accepted_and_one_byte_more_is_not() {
    assert_eq!(decode(16, &frame(TEXT, &[b'x'; 16])).0, [Event::Text("x".repeat(16))]);
    assert_eq!(violation(&frame(TEXT, &[b'x'; 17])), refused(1009, "frame with 17 bytes exceeds limit of 16 bytes"));
    let fragments = [frame(FIRST_TEXT, &[b'x'; 10]), frame(LAST, &[b'x'; 6])].concat();
    assert_eq!(decode(16, &fragments).0, [Event::Text("x".repeat(16))]);
    let fragments = [frame(FIRST_TEXT, &[b'x'; 10]), frame(LAST, &[b'x'; 7])].concat();
    assert_eq!(
        violation(&fragments),
        refused(1009, "frame with 7 bytes after reading 10 bytes exceeds limit of 16 bytes")
    );
}

#[test]
fn a_ping_between_fragments_that_fill_the_limit_is_no_violation() {
    let input = [frame(FIRST_TEXT, &[b'x'; 16]), frame(PING, &[b'p'; 125]), frame(LAST, b"")].concat();
    assert_eq!(decode(16, &input).0.len(), 2);
}

#[test]
fn an_announced_length_is_refused_or_waited_for_but_never_reserved() {
    let huge = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(decode(1 << 24, &huge).1.unwrap_err().code, 1009);

    let mut decoder = Decoder::new(1 << 24);
    let mut start = frame(BINARY, &vec![0; 1 << 24])[..1000].to_vec();
    decoder.decode(&mut start, &mut Vec::new()).unwrap();
    assert!(decoder.message.unwrap().payload.capacity() < 2000);
}

#[test]
fn text_that_is_not_utf_8_ends_at_the_first_bad_byte() {
    assert_eq!(violation(&frame(TEXT, b"\xc3\x28")), refused(1007, ""));
    assert_eq!(violation(&frame(TEXT, b"\xe2\x82")), refused(1007, ""), "cut short");
    assert_eq!(violation(&frame(TEXT, b"\xed\xa0\x80")), refused(1007, ""), "a surrogate");
    // Only the start of the frame has arrived.
    assert_eq!(violation(&frame(TEXT, b"ab\xffcdefgh")[..9]), refused(1007, ""));
    let split = [frame(FIRST_TEXT, b"\xf0\x9f"), frame(MIDDLE, b"\x8c"), frame(LAST, b"\x8a")].concat();
    assert_eq!(decode(16, &split).0, [Event::Text("🌊".to_owned())]);
}

#[test]
fn compressed_messages_are_taken_as_they_came_where_that_was_agreed_on() {
    let decode = |input: &[u8]| {
        let mut events = Vec::new();
        let result = Decoder::new(16).with_compressed().decode(&mut input.to_vec(), &mut events);
        (events, result.map_err(|violation| violation.reason))
    };
    let fragments = [frame(0x41, b"\xff\xfe"), frame(PING, b""), frame(LAST, b"\x07")].concat();
    let message = Event::Compressed { is_text: true, payload: b"\xff\xfe\x07".to_vec() };
    assert_eq!(decode(&fragments), (vec![Event::Ping(Vec::new()), message], Ok(())));
    let both = [frame(0xc2, b"\x00"), frame(TEXT, b"plain")].concat();
    let message = Event::Compressed { is_text: false, payload: vec![0] };
    assert_eq!(decode(&both).0, [message, Event::Text("plain".to_owned())]);

    let reserved = "reserved bits must be 0";
    assert_eq!(decode(&frame(0xc9, b"")).1, Err(reserved.into()), "a control frame");
    assert_eq!(decode(&frame(0xe1, b"")).1, Err(reserved.into()), "RSV2");
    let plain_first = [frame(FIRST_TEXT, b"a"), frame(0xc0, b"b")].concat();
    assert_eq!(decode(&plain_first).1, Err(reserved.into()));
    let again = [frame(0x41, b"a"), frame(0xc0, b"b")].concat();
    assert_eq!(decode(&again).1, Err("RSV1 bit set in continuation frame".into()));
    let interrupted = [frame(0x41, b"a"), frame(0xc1, b"b")].concat();
    assert_eq!(decode(&interrupted).1, Err("expected a continuation frame".into()));
    assert_eq!(decode(&frame(0xc1, &[0; 17])[..6]).1, Err("frame with 17 bytes exceeds limit of 16 bytes".into()));
}

#[test]
fn an_idle_decoder_holds_no_buffer() {
    let mut decoder = Decoder::new(1 << 24);
    let mut events = Vec::new();
    for size in [10, 70_000, 3] {
        decoder.decode(&mut frame(TEXT, &vec![b'x'; size]), &mut events).unwrap();
        decoder.decode(&mut frame(PING, b"payload"), &mut events).unwrap();
    }
    assert_eq!(events.len(), 6);
    assert!(decoder.message.is_none());
    assert_eq!(decoder.control.capacity(), 0);
    assert!(size_of::<Decoder>() <= 96, "{}", size_of::<Decoder>());
}

#[test]
fn frames_are_written_whole_and_unmasked() {
    assert_eq!(text("hi")[..], *b"\x81\x02hi");
    assert_eq!(binary(&[0; 126])[..4], [0x82, 126, 0, 126]);
    assert_eq!(text(&"x".repeat(65536))[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(compressed(true, b"hi")[..], *b"\xc1\x02hi");
    assert_eq!(compressed(false, b"hi")[..], *b"\xc2\x02hi");
    assert_eq!(close(None)[..], [0x88, 0]);
    assert_eq!(close(Some(&CloseFrame::new(1000, "bye")))[..], *b"\x88\x05\x03\xe8bye");
    assert_eq!(ping(b"1234")[..], *b"\x89\x041234");
    assert_eq!(pong(b"")[..], [0x8a, 0]);
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "\\PC{0,40}".prop_map(String::into_bytes),
        Just(vec![b'x'; 70_000]),
    ];
    let first = prop_oneof![
        8 => prop::sample::select(vec![TEXT, BINARY, FIRST_TEXT, 0x02, MIDDLE, LAST, PING, PONG]),
        1 => any::<u8>(),
        1 => Just(CLOSE),
    ];
    (first, payload).prop_map(|(first, payload)| {
        let control = first & 0x08 != 0 && payload.len() > MAX_CONTROL_PAYLOAD;
        frame(first, if control { &payload[..MAX_CONTROL_PAYLOAD] } else { &payload })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn frames_mean_the_same_wherever_they_are_cut(
        frames in prop::collection::vec(any_frame(), 1..8),
        cuts in prop::collection::vec(1_usize..5000, 1..40),
    ) {
        let input = frames.concat();
        let whole = decode(100_000, &input);
        let mut decoder = Decoder::new(100_000);
        let mut events = Vec::new();
        let mut result = Ok(());
        let mut rest = input.clone();
        let mut cuts = cuts.iter().cycle();
        while result.is_ok() && !rest.is_empty() {
            let cut = (*cuts.next().unwrap()).min(rest.len());
            let later = rest.split_off(cut);
            result = decoder.decode(&mut rest, &mut events);
            rest = later;
        }
        prop_assert_eq!((events, result), whole);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(mut input in prop::collection::vec(any::<u8>(), 0..2000), max in 0_usize..300) {
        let _ = Decoder::new(max).decode(&mut input, &mut Vec::new());
    }

    #[test]
    fn unmasking_is_the_same_at_every_offset(payload in prop::collection::vec(any::<u8>(), 0..64), mask: [u8; 4]) {
        let mut data = payload.clone();
        unmask(&mut data, mask);
        let expected: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        prop_assert_eq!(data, expected);
    }
}
