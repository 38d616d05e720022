//! One connection's TLS: bytes of the client in, bytes for the client out.
//!
//! rustls' usual connection keeps a buffer of 4 KiB from the first byte that it reads. This one is fed from the buffer of
//! the thread that reads, and keeps bytes of its own only while a record is incomplete, while what was decrypted has not
//! been read, and while what was encrypted has not left.

use std::sync::Arc;

use rustls::{
    Error, ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic},
};

/// The most that one record holds.
pub(super) const MAX_RECORD: usize = 16 * 1024;
/// What a record adds to its payload, and more: 5 bytes of header, 8 of nonce, 16 of tag, 1 of type.
const OVERHEAD: usize = 64;

/// The state of one connection.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    /// The beginning of a record, or of a handshake message.
    incomplete: Vec<u8>,
    /// What the client said and was not read, behind `read` bytes that were.
    said: Vec<u8>,
    read: usize,
    /// What did not leave yet, behind `sent` bytes that did.
    outgoing: Vec<u8>,
    sent: usize,
    /// The client says no more.
    is_ended: bool,
    /// We say no more.
    is_closed: bool,
    /// What the client did against TLS. rustls must not be asked again after it.
    failure: Option<Error>,
}

/// What rustls has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Handshaking,
    Open,
    Closed,
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incomplete: Vec::new(),
            said: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            sent: 0,
            is_ended: false,
            is_closed: false,
            failure: None,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// How much of a handshake message or a record waits for its rest.
    pub(super) fn incomplete(&self) -> usize {
        self.incomplete.len()
    }

    /// Takes bytes that the client sent. What it said by them is to be had from [`Self::take`], and what is to be answered
    /// from [`Self::outgoing`], after an error too.
    pub(super) fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        if self.incomplete.is_empty() {
            let (used, progress) = self.process(bytes);
            self.incomplete = bytes.get(used..).unwrap_or_default().to_vec();
            return progress.map(drop);
        }
        self.incomplete.extend_from_slice(bytes);
        self.process_incomplete().map(drop)
    }

    fn process_incomplete(&mut self) -> Result<Progress, Error> {
        let mut bytes = std::mem::take(&mut self.incomplete);
        let (used, progress) = self.process(&mut bytes);
        if used < bytes.len() {
            bytes.drain(..used);
            self.incomplete = bytes;
        }
        progress
    }

    fn process(&mut self, bytes: &mut [u8]) -> (usize, Result<Progress, Error>) {
        self.process_then(bytes, |_, _| Ok(()))
    }

    /// Has rustls take the records in `bytes`, then do `then` if it may speak. How many bytes it needs no more.
    fn process_then(
        &mut self,
        bytes: &mut [u8],
        mut then: impl FnMut(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> Result<(), Error>,
    ) -> (usize, Result<Progress, Error>) {
        if let Some(failure) = &self.failure {
            return (bytes.len(), Err(failure.clone()));
        }
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(bytes.get_mut(used..).unwrap_or_default());
            let outgoing = &mut self.outgoing;
            let progress = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let written = append(outgoing, OVERHEAD, |room| data.encode(room));
                    // The alert. rustls would look at the record that is wrong again if it were asked once more.
                    let is_last = self.failure.is_some();
                    written.err().map(Err).or_else(|| is_last.then_some(Ok(Progress::Closed)))
                }
                _ if self.failure.is_some() => Some(Ok(Progress::Closed)),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        self.said.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_ended = true;
                    None
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    Some(then(&mut traffic, outgoing).map(|()| Progress::Open))
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Ok(Progress::Handshaking)),
                // Nothing is sent early: it is not offered.
                Ok(_) => Some(Ok(Progress::Closed)),
                Err(error) => {
                    self.failure = Some(error);
                    None
                }
            };
            used += discard;
            if let Some(progress) = progress {
                return match &self.failure {
                    Some(failure) => {
                        self.is_ended = true;
                        (bytes.len(), Err(failure.clone()))
                    }
                    None => (used, progress),
                };
            }
        }
    }

    /// Whether there is something to take, or nothing will come.
    pub(super) fn is_readable(&self) -> bool {
        self.is_ended || !self.said.is_empty()
    }

    /// Moves what the client said into `buffer`. `None`: nothing for now; 0: it says no more.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let rest = self.said.get(self.read..).unwrap_or_default();
        if rest.is_empty() {
            return self.is_ended.then_some(0);
        }
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        if self.read == self.said.len() {
            self.said = Vec::new();
            self.read = 0;
        }
        Some(length)
    }

    /// The connection has ended below TLS.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
    }

    /// Encrypts as much of `plain` as one record holds. How much that is; 0: nothing can be said any more.
    pub(super) fn say(&mut self, plain: &[u8]) -> Result<usize, Error> {
        let plain = &plain[..plain.len().min(MAX_RECORD)];
        if self.is_closed || plain.is_empty() {
            return Ok(0);
        }
        let is_open = self.speak(|traffic, outgoing| {
            append(outgoing, plain.len() + OVERHEAD, |room| traffic.encrypt(plain, room)).map(drop)
        })?;
        Ok(if is_open { plain.len() } else { 0 })
    }

    /// Says that nothing more will be said.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        self.speak(|traffic, outgoing| append(outgoing, OVERHEAD, |room| traffic.queue_close_notify(room)).map(drop))
            .map(drop)
    }

    /// How much memory its buffers take.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.incomplete.capacity() + self.said.capacity() + self.outgoing.capacity()
    }

    /// Whether the last word is said.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Does `what` if we may speak; whether we may.
    fn speak(
        &mut self,
        what: impl FnMut(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let mut bytes = std::mem::take(&mut self.incomplete);
        let (used, progress) = self.process_then(&mut bytes, what);
        bytes.drain(..used);
        self.incomplete = bytes;
        Ok(progress? == Progress::Open)
    }

    /// What is to be sent.
    pub(super) fn outgoing(&self) -> &[u8] {
        self.outgoing.get(self.sent..).unwrap_or_default()
    }

    /// So much of it is gone.
    pub(super) fn sent(&mut self, length: usize) {
        self.sent += length;
        if self.sent >= self.outgoing.len() {
            self.outgoing = Vec::new();
            self.sent = 0;
        }
    }
}

/// How much room is lacking, if that is what is wrong.
trait Lacking {
    fn needed(&self) -> Option<usize>;
}

impl Lacking for EncodeError {
    fn needed(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl Lacking for EncryptError {
    fn needed(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::EncryptExhausted => None,
        }
    }
}

/// Has `write` write behind what waits; `guess`: how much that will be.
fn append<E: Lacking>(
    outgoing: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), Error> {
    let before = outgoing.len();
    let mut room = guess;
    loop {
        outgoing.resize(before + room, 0);
        match write(&mut outgoing[before..]) {
            Ok(written) => {
                outgoing.truncate(before + written);
                return Ok(());
            }
            Err(error) => match error.needed() {
                Some(needed) if needed > room => room = needed,
                _ => {
                    outgoing.truncate(before);
                    return Err(Error::EncryptError);
                }
            },
        }
    }
}
