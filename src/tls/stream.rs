//! A client's connection under TLS, read and written as a whole or by readiness.

use std::{
    fmt,
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use rustls::ServerConfig;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::session::{MAX_RECORD, Session};
use crate::readiness::try_read;

/// A smaller buffer is not read into itself.
const SMALLEST_BUFFER: usize = 2048;
/// What a handshake is read by.
const HANDSHAKE_READ: usize = 4096;
/// The most that a client may send before its handshake is done.
const MAX_HANDSHAKE: usize = 64 * 1024;
/// The first byte of a handshake.
const HANDSHAKE: u8 = 0x16;

/// A connection whose handshake is done.
///
/// What is written is taken at once, up to a record; until it has left, the stream does not count as writable.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: Mutex<Session>,
}

/// Why a client has no connection under TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// It speaks HTTP without TLS: the connection, to tell it so.
    #[error("it speaks HTTP without TLS")]
    PlainHttp(TcpStream),
    #[error("it left before the handshake was done")]
    Gone,
    #[error("the handshake takes too long")]
    Late,
    #[error("the handshake is too long")]
    TooLong,
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TlsStream {
    /// The handshake, without a time limit. Holds no buffer until the client has said something.
    pub(crate) async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> Result<Self, HandshakeError> {
        let mut session = Session::new(config)?;
        let mut is_first = true;
        while session.is_handshaking() {
            tcp.readable().await?;
            let mut bytes = vec![0; HANDSHAKE_READ];
            let length = match tcp.try_read(&mut bytes) {
                Ok(0) => return Err(HandshakeError::Gone),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            if std::mem::take(&mut is_first) && bytes[0] != HANDSHAKE && bytes[0].is_ascii_alphabetic() {
                return Err(HandshakeError::PlainHttp(tcp));
            }
            let received = session.receive(&mut bytes[..length]);
            drop(bytes);
            // An alert says why it failed.
            while !session.outgoing().is_empty() {
                tcp.writable().await?;
                flush(&tcp, &mut session)?;
            }
            received?;
            if session.incomplete() > MAX_HANDSHAKE {
                return Err(HandshakeError::TooLong);
            }
        }
        Ok(Self { tcp, session: Mutex::new(session) })
    }

    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut session = self.lock();
        if session.is_readable() {
            return Poll::Ready(Ok(()));
        }
        // What waits leaves meanwhile. An error is found by reading.
        let _ = self.poll_leave(&mut session, context);
        self.tcp.poll_read_ready(context)
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(&mut self.lock(), context))?;
        self.tcp.poll_write_ready(context)
    }

    /// Ready once nothing waits.
    fn poll_leave(&self, session: &mut Session, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !session.outgoing().is_empty() {
            ready!(self.tcp.poll_write_ready(context))?;
            flush(&self.tcp, session)?;
        }
        Poll::Ready(Ok(()))
    }

    /// One `read` of the connection at most.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut session = self.lock();
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(length) = session.take(buffer) {
            return Ok(length);
        }
        if buffer.len() < SMALLEST_BUFFER {
            self.receive(&mut session, &mut [0; SMALLEST_BUFFER])?;
        } else {
            self.receive(&mut session, buffer)?;
        }
        session.take(buffer).ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn receive(&self, session: &mut Session, buffer: &mut [u8]) -> io::Result<()> {
        let length = try_read(&SockRef::from(&self.tcp), buffer, |read| self.tcp.try_io(Interest::READABLE, read))?;
        if length == 0 {
            // Many clients end without a word of TLS. What they said is whole by the lengths of HTTP and WebSocket.
            session.end();
        } else if let Err(error) = session.receive(&mut buffer[..length]) {
            tracing::debug!(%error, "a connection under TLS failed");
        }
        // An error is found by reading on.
        let _ = flush(&self.tcp, session);
        Ok(())
    }

    /// Takes up to a record of `bytes`, if nothing waits.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.lock();
        flush(&self.tcp, &mut session)?;
        if !session.outgoing().is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match session.say(bytes).map_err(io::Error::other)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            length => {
                flush(&self.tcp, &mut session)?;
                Ok(length)
            }
        }
    }

    /// As many of the slices as make one record.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        let Some(first) = filled.next() else { return Ok(0) };
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if first.len() >= MAX_RECORD || first.len() == total {
            return self.try_write(first);
        }
        let mut record = Vec::with_capacity(total.min(MAX_RECORD));
        for slice in slices {
            let room = MAX_RECORD - record.len();
            record.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        self.try_write(&record)
    }

    /// Says no more, by TLS and, as soon as that has left, by TCP.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        let mut session = self.lock();
        session.close().map_err(io::Error::other)?;
        flush(&self.tcp, &mut session)?;
        if session.outgoing().is_empty() { shutdown(&self.tcp) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what waits, as far as `tcp` takes it; behind the last word, shuts it.
fn flush(tcp: &TcpStream, session: &mut Session) -> io::Result<()> {
    if session.outgoing().is_empty() {
        return Ok(());
    }
    while !session.outgoing().is_empty() {
        match tcp.try_write(session.outgoing()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => session.sent(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    if session.is_closed() { shutdown(tcp) } else { Ok(()) }
}

fn shutdown(tcp: &TcpStream) -> io::Result<()> {
    SockRef::from(tcp).shutdown(Shutdown::Write)
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.poll_read_ready(context))?;
            match self.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_write_ready(context))?,
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_leave(&mut self.lock(), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown_write()?;
        self.poll_leave(&mut self.lock(), context)
    }
}
