//! The side of the new process.

use std::{
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    time::Duration,
};

use tokio::{net::UnixStream, time::timeout};

use super::{
    HandoverError, PATIENCE,
    message::{ASK, DRAINING, SERVING, expect, receive, say},
};
use crate::server::listening::Given;

/// How often it is tried where a process has left its place, and how long to wait between: another one may be about to
/// take it.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The process whose listening sockets were taken, and who waits to hear that they are served.
#[derive(Debug)]
pub(crate) struct Takeover {
    stream: UnixStream,
    pid: Option<i32>,
}

/// The listening sockets of the process behind `path`; `None` where there is none.
///
/// # Errors
///
/// [`HandoverError`]: somebody is there who does not hand over, or who is not to be trusted.
pub(crate) async fn take(path: &Path) -> Result<Option<(Given, Takeover)>, HandoverError> {
    take_as(path, rustix::process::geteuid().as_raw()).await
}

/// The same, for this user.
pub(super) async fn take_as(path: &Path, user: u32) -> Result<Option<(Given, Takeover)>, HandoverError> {
    let mut left = TRIES;
    loop {
        left -= 1;
        match ask(path, user).await {
            Err(HandoverError::Broken { source, .. }) if is_gone(&source) && left > 0 => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            // Left behind by a process that is gone.
            Err(HandoverError::Broken { source, .. }) if source.kind() == io::ErrorKind::ConnectionRefused => {
                return Ok(None);
            }
            answer => return answer,
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | UnexpectedEof)
}

async fn ask(path: &Path, user: u32) -> Result<Option<(Given, Takeover)>, HandoverError> {
    let at = |source| HandoverError::Path { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(error)),
        Ok(file) if !file.file_type().is_socket() => return Err(HandoverError::NotASocket(path.to_owned())),
        Ok(file) if file.uid() != user => {
            return Err(HandoverError::OtherUser { path: path.to_owned(), user: file.uid() });
        }
        Ok(_) => {}
    }
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(HandoverError::Broken { pid: None, source }),
    };
    let peer = stream.peer_cred().map_err(at)?;
    if peer.uid() != user {
        return Err(HandoverError::OtherUser { path: path.to_owned(), user: peer.uid() });
    }
    let pid = peer.pid();
    let exchange = async {
        say(&mut stream, ASK).await?;
        receive(&stream).await
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(given)) => Ok(Some((given, Takeover { stream, pid }))),
        Ok(Err(source)) => Err(HandoverError::Broken { pid, source }),
        Err(_) => Err(HandoverError::Silent(pid)),
    }
}

impl Takeover {
    /// Tells the process before that its listening sockets are served here, from when on it drains.
    pub(crate) async fn confirm(mut self) {
        let told = timeout(PATIENCE, async {
            say(&mut self.stream, SERVING).await?;
            expect(&mut self.stream, DRAINING).await
        });
        let pid = self.pid;
        match told.await {
            Ok(Ok(())) => tracing::info!(pid, "taken over from the process before, which drains"),
            Ok(Err(error)) => {
                tracing::warn!(pid, %error, "the process before did not say that it drains: it ended, or serves on");
            }
            Err(_) => tracing::warn!(pid, "the process before does not say that it drains: look whether it still runs"),
        }
    }
}
