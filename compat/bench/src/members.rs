//! The members of one group: sockets that look at every frame they get, all in one thread, so that a delivery costs the
//! load a read and little else.

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::client::frame;

/// Before and after the text in a frame of the tutorial's consumer, as `json.dumps` writes it.
const BEFORE: &[u8] = br#"{"message": ""#;
const AFTER: &[u8] = br#""}"#;
/// `<12 digits> <20 digits> `: the message's number, and when it was sent, in nanoseconds of Unix time.
const STAMP: usize = 34;
/// More than a read ever brings, so that a shorter read has emptied the socket.
const BUFFER: usize = 256 * 1024;
/// How long nobody waits for the sockets after a look at them: a server's write would pay for waking the thread, which
/// over a network it does not.
const NAP: Duration = Duration::from_micros(250);

/// What one message's text is, by its number: `length` bytes.
fn text(number: u64, length: usize) -> String {
    let mut text = format!("{number:012} {:020} ", now());
    text.extend(std::iter::repeat_n('x', length - STAMP));
    text
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos()).expect("before 2554")
}

/// The number and the time of a message, if the frame is what it should be.
fn stamp(payload: &[u8]) -> Option<(u64, u64)> {
    let text = payload.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
    let (stamp, rest) = text.split_at_checked(STAMP)?;
    if stamp[12] != b' ' || stamp[33] != b' ' || rest.iter().any(|byte| *byte != b'x') {
        return None;
    }
    Some((decimal(&stamp[..12])?, decimal(&stamp[13..33])?))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

struct Member {
    stream: TcpStream,
    /// The number that comes next.
    next: u64,
    /// The begin of a frame.
    partial: Vec<u8>,
}

/// What arrived of the messages since [`Members::begin`].
#[derive(Debug, Default)]
pub struct Tally {
    first: u64,
    /// Of each message: how many members have it, and when the last one got it, in microseconds after it was sent.
    arrived: Vec<(usize, u32)>,
    /// Of each delivery, in microseconds.
    pub latencies: Vec<u32>,
    /// Frames that came twice or too late.
    pub disordered: usize,
    /// Frames that are no message.
    pub wrong: usize,
    /// Sockets that the server closed.
    pub closed: usize,
}

impl Tally {
    pub fn deliveries(&self) -> usize {
        self.arrived.iter().map(|(count, _)| count).sum()
    }

    /// How many messages, from the first on, every member has.
    pub fn complete(&self, members: usize) -> usize {
        self.arrived.iter().take_while(|(count, _)| *count >= members).count()
    }

    /// How long each message took to reach its last member.
    pub fn last(&self) -> Vec<u32> {
        self.arrived.iter().map(|(_, last)| *last).collect()
    }
}

pub struct Members {
    poll: Poll,
    events: Events,
    all: Vec<Member>,
    buffer: Vec<u8>,
    next: u64,
    pub tally: Tally,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            poll: Poll::new().expect("epoll"),
            events: Events::with_capacity(1024),
            all: Vec::new(),
            buffer: vec![0; BUFFER],
            next: 1,
            tally: Tally::default(),
        }
    }
}

impl Members {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A socket whose handshake is done.
    pub fn add(&mut self, stream: std::net::TcpStream) {
        stream.set_nonblocking(true).expect("an option");
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.all.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE).expect("epoll");
        self.all.push(Member { stream, next: self.next, partial: Vec::new() });
    }

    /// Counts anew. What did not come until now is not waited for.
    pub fn begin(&mut self) {
        self.tally = Tally { first: self.next, closed: self.tally.closed, ..Tally::default() };
        self.tally.latencies.reserve(1 << 20);
        for member in &mut self.all {
            member.next = self.next;
        }
    }

    /// Another process sends the next `count` messages. The number of the first.
    pub fn expect(&mut self, count: usize) -> u64 {
        let first = self.next;
        self.next += u64::try_from(count).expect("few");
        first
    }

    /// One member sends the next message, of `length` bytes, as the tutorial's page does.
    pub fn send(&mut self, length: usize) {
        let text = text(self.next, length);
        self.next += 1;
        let bytes = frame(1, &[BEFORE, text.as_bytes(), AFTER].concat());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match self.all[0].stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.step(Duration::ZERO),
                Err(error) => panic!("the server closed: {error}"),
            }
        }
    }

    /// Takes what comes, until then.
    pub fn receive(&mut self, until: Instant) {
        loop {
            self.step(until.saturating_duration_since(Instant::now()));
            if Instant::now() >= until {
                return;
            }
        }
    }

    /// Takes what is there, and waits for it so long.
    pub fn step(&mut self, wait: Duration) {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other.expect("epoll"),
        }
        for event in &self.events {
            self.all[event.token().0].read(&mut self.buffer, &mut self.tally);
        }
        if !wait.is_zero() {
            std::thread::sleep(NAP);
        }
    }

    /// Takes what comes, until all members have `count` messages, or nothing came for `patience`.
    pub fn await_messages(&mut self, count: usize, patience: Duration) {
        let (mut seen, mut since) = (self.tally.deliveries(), Instant::now());
        while self.tally.complete(self.all.len()) < count && since.elapsed() < patience {
            self.step(Duration::from_millis(10));
            let deliveries = self.tally.deliveries();
            if deliveries != seen {
                (seen, since) = (deliveries, Instant::now());
            }
        }
    }
}

impl Member {
    fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    tally.closed += 1;
                    return;
                }
                Ok(read) => {
                    let now = now();
                    if self.partial.is_empty() {
                        let used = self.frames(&buffer[..read], now, tally);
                        self.partial.extend_from_slice(&buffer[used..read]);
                    } else {
                        let mut bytes = std::mem::take(&mut self.partial);
                        bytes.extend_from_slice(&buffer[..read]);
                        let used = self.frames(&bytes, now, tally);
                        self.partial = bytes.split_off(used);
                    }
                    if read < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    tally.closed += 1;
                    return;
                }
            }
        }
    }

    /// Looks at all whole frames; how many bytes they are.
    fn frames(&mut self, bytes: &[u8], now: u64, tally: &mut Tally) -> usize {
        let mut used = 0;
        while let Some((head, length)) = header(&bytes[used..]) {
            let Some(payload) = bytes.get(used + head..used + head + length) else { break };
            match bytes[used] {
                0x81 => self.message(payload, now, tally),
                0x89 => self.stream.write_all(&frame(10, payload)).expect("a pong fits"),
                _ => tally.wrong += 1,
            }
            used += head + length;
        }
        used
    }

    fn message(&mut self, payload: &[u8], now: u64, tally: &mut Tally) {
        let Some((number, sent)) = stamp(payload) else {
            tally.wrong += 1;
            return;
        };
        if number < self.next {
            tally.disordered += 1;
            return;
        }
        self.next = number + 1;
        let Some(index) = number.checked_sub(tally.first).and_then(|index| usize::try_from(index).ok()) else { return };
        if tally.arrived.len() <= index {
            tally.arrived.resize(index + 1, (0, 0));
        }
        let latency = u32::try_from(now.saturating_sub(sent) / 1000).unwrap_or(u32::MAX);
        let (count, last) = &mut tally.arrived[index];
        *count += 1;
        *last = latency.max(*last);
        tally.latencies.push(latency);
    }
}

/// How long the header of a server's frame is, and its payload.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? {
        126 => Some((4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)))),
        127 => Some((10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?)),
        short => Some((2, usize::from(*short))),
    }
}
