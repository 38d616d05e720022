use std::io::{Read, Write};

use rustls::version::{TLS12, TLS13};

use super::*;
use crate::tls::session::{MAX_RECORD, Session};

/// A client and a server that hand their bytes to each other.
struct Pair {
    client: ClientConnection,
    server: Session,
    /// How many bytes arrive at a time.
    step: usize,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion, step: usize) -> Self {
        let server = Session::new(acceptor().config()).unwrap();
        let mut pair = Self { client: client(&[version]), server, step };
        while pair.server.is_handshaking() || pair.client.is_handshaking() {
            assert!(pair.exchange() > 0, "the handshake stands still");
        }
        pair.exchange();
        pair
    }

    /// Each hands over what it has. How much that was.
    fn exchange(&mut self) -> usize {
        let mut from_client = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut from_client).unwrap();
        }
        for part in from_client.chunks_mut(self.step) {
            self.server.receive(part).unwrap();
        }
        let from_server = self.server.outgoing().to_vec();
        self.server.sent(from_server.len());
        let mut rest = from_server.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            self.client.process_new_packets().unwrap();
        }
        from_client.len() + from_server.len()
    }

    fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; most];
        self.server.take(&mut buffer).map(|length| buffer[..length].to_vec())
    }
}

#[test]
fn bytes_pass_both_ways_however_they_are_cut() {
    for version in [&TLS12, &TLS13] {
        for step in [1, 7, 1000, usize::MAX] {
            let mut pair = Pair::new(version, step);
            let long: Vec<u8> = (0..50_000u32).map(|number| number.to_le_bytes()[0]).collect();
            pair.client.writer().write_all(&long).unwrap();
            pair.exchange();
            let mut said = Vec::new();
            while let Some(part) = pair.take(4096) {
                said.extend(part);
            }
            assert_eq!(said, long, "{version:?} {step}");
            let mut rest = long.as_slice();
            while !rest.is_empty() {
                let taken = pair.server.say(rest).unwrap();
                assert!(taken > 0 && taken <= MAX_RECORD);
                pair.exchange();
                let mut heard = vec![0; taken];
                pair.client.reader().read_exact(&mut heard).unwrap();
                assert_eq!(heard, rest[..taken], "{version:?} {step}");
                rest = &rest[taken..];
            }
        }
    }
}

#[test]
fn an_idle_session_owns_no_buffer() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::new(version, usize::MAX);
        assert_eq!(pair.server.capacity(), 0, "after the handshake");
        pair.client.writer().write_all(&vec![7; 40_000]).unwrap();
        pair.exchange();
        assert!(pair.server.capacity() >= 40_000);
        while pair.take(4096).is_some() {}
        pair.server.say(&[7; MAX_RECORD]).unwrap();
        pair.exchange();
        assert_eq!(pair.server.capacity(), 0, "after traffic");
    }
}

#[test]
fn new_keys_of_the_client_are_answered_by_new_ones() {
    let mut pair = Pair::new(&TLS13, usize::MAX);
    for number in 0..3u8 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(&[number]).unwrap();
        pair.exchange();
        assert_eq!(pair.take(10), Some(vec![number]));
        pair.server.say(&[number, number]).unwrap();
        pair.exchange();
        let mut heard = [0; 2];
        pair.client.reader().read_exact(&mut heard).unwrap();
        assert_eq!(heard, [number; 2]);
    }
}

#[test]
fn the_end_is_told_both_ways_once_and_nothing_follows() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::new(version, usize::MAX);
        pair.client.writer().write_all(b"last").unwrap();
        pair.client.send_close_notify();
        pair.exchange();
        assert_eq!(pair.take(10), Some(b"last".to_vec()));
        assert_eq!(pair.take(10), Some(Vec::new()));
        assert_eq!(pair.server.say(b"still").unwrap(), 5, "{version:?}: half is open");
        pair.server.close().unwrap();
        pair.server.close().unwrap();
        assert_eq!(pair.server.say(b"more").unwrap(), 0);
        pair.exchange();
        let mut heard = Vec::new();
        pair.client.reader().read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"still", "{version:?}: and the end is a clean one");
    }
}

#[test]
fn bytes_that_are_no_tls_end_the_session_with_an_alert() {
    let mut session = Session::new(acceptor().config()).unwrap();
    assert!(session.receive(&mut b"\x80\x2e\x01\x00\x02 no TLS at all, but long enough".to_vec()).is_err());
    assert_eq!(session.outgoing().first(), Some(&0x15), "an alert");
    assert_eq!(session.take(&mut [0; 8]), Some(0));

    let mut pair = Pair::new(&TLS13, usize::MAX);
    pair.client.writer().write_all(b"whole").unwrap();
    let mut bytes = Vec::new();
    pair.client.write_tls(&mut bytes).unwrap();
    let mut record = bytes.clone();
    record[8] ^= 1;
    let mut both = [bytes, record].concat();
    assert!(pair.server.receive(&mut both).is_err());
    assert_eq!(pair.take(10), Some(b"whole".to_vec()), "what came before counts");
    assert_eq!(pair.take(10), Some(Vec::new()));
    assert!(!pair.server.outgoing().is_empty());
    assert!(pair.server.say(b"x").is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes: Vec<u8>, step in 1usize..40, in_handshake: bool) {
        let mut session = Session::new(acceptor().config()).unwrap();
        if !in_handshake {
            session = Pair::new(&TLS13, usize::MAX).server;
        }
        if bytes.len() > 5 {
            // A record's header, so that more than the first check is reached.
            let length = u16::try_from(bytes.len() - 5).unwrap().to_be_bytes();
            bytes[..5].copy_from_slice(&[if in_handshake { 0x16 } else { 0x17 }, 3, 3, length[0], length[1]]);
        }
        for part in bytes.chunks_mut(step) {
            let _ = session.receive(part);
            let _ = session.say(b"x");
            session.take(&mut [0; 8]);
        }
        let _ = session.close();
    }
}
