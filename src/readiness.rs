//! Reading from a socket that is known to be readable.

use std::io::{self, Read};

use socket2::SockRef;

/// One `read`. If it did not fill `buffer`, the stream counts as no longer readable, so that no second `read` is needed to
/// find that out. `try_io` is the stream's own, for readability.
pub(crate) fn try_read(
    socket: &SockRef<'_>,
    buffer: &mut [u8],
    try_io: impl FnOnce(&mut dyn FnMut() -> io::Result<()>) -> io::Result<()>,
) -> io::Result<usize> {
    let mut length = None;
    let result = try_io(&mut || read_once(socket, buffer, &mut length));
    match (length, result) {
        (Some(length), _) => Ok(length),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(0),
    }
}

/// Reads into `buffer`. The error that follows a `length` only says that there is no more for now.
fn read_once(socket: &SockRef<'_>, buffer: &mut [u8], length: &mut Option<usize>) -> io::Result<()> {
    let mut socket: &socket2::Socket = socket;
    let read = socket.read(buffer)?;
    *length = Some(read);
    if read == 0 || read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
}
