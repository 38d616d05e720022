//! What two processes say to each other.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
};

use super::give::Offer;
use crate::server::listening::{Given, checked};

pub(super) const ASK: &str = "sluicegate: hand over, version 1";
pub(super) const SERVING: &str = "serving";
pub(super) const DRAINING: &str = "draining";

const LISTENERS: &str = "listeners";
const MAIN: &str = "main";
const ADMIN: &str = "admin";
const KEPT: &str = "kept";
/// No line has more bytes.
const LONGEST: usize = 256;

/// Sends a line.
pub(super) async fn say(stream: &mut UnixStream, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes()).await
}

/// Waits for exactly this line.
pub(super) async fn expect(stream: &mut UnixStream, line: &str) -> io::Result<()> {
    for expected in line.bytes().chain([b'\n']) {
        if stream.read_u8().await? != expected {
            return Err(misunderstood());
        }
    }
    Ok(())
}

/// Sends the listening sockets, and which is which.
pub(super) async fn give(stream: &UnixStream, offer: &Offer) -> io::Result<()> {
    let mut line = LISTENERS.to_owned();
    let mut sockets: Vec<BorrowedFd<'_>> = Vec::new();
    for (name, socket) in [(MAIN, Some(&offer.main)), (ADMIN, offer.admin.as_ref())] {
        if let Some(socket) = socket {
            line.push(' ');
            line.push_str(name);
            sockets.push(socket.as_fd());
        }
    }
    if offer.are_kept {
        line.push(' ');
        line.push_str(KEPT);
    }
    line.push('\n');
    let sent = stream.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&sockets));
        Ok(sendmsg(stream, &[IoSlice::new(line.as_bytes())], &mut rights, SendFlags::empty())?)
    });
    // A stream that was silent so far takes a short line at once.
    if sent.await? == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// The listening sockets that [`give`] sent.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<Given> {
    let received = stream.async_io(Interest::READABLE, || {
        let mut line = [0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let length = recvmsg(stream, &mut [IoSliceMut::new(&mut line)], &mut rights, closed_on_exec())?.bytes;
        let sockets = rights.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        Ok((line[..length].to_vec(), sockets.flatten().collect::<Vec<OwnedFd>>()))
    });
    let (line, sockets) = received.await?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n')).ok_or_else(misunderstood)?;
    let mut words = line.split(' ');
    if words.next() != Some(LISTENERS) {
        return Err(misunderstood());
    }
    let mut given = Given::default();
    let mut sockets = sockets.into_iter();
    let mut next = || checked(sockets.next().ok_or_else(misunderstood)?.into());
    for word in words {
        match word {
            MAIN => given.main = Some(next()?),
            ADMIN => given.admin = Some(next()?),
            KEPT => given.are_kept = true,
            _ => return Err(misunderstood()),
        }
    }
    Ok(given)
}

/// What is received is no child's.
const fn closed_on_exec() -> RecvFlags {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return RecvFlags::empty();
}

fn misunderstood() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it says is not understood")
}
