//! The side of the running process.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};

use super::{
    GREETING, LONGEST_TAKEOVER,
    message::{ASK, DRAINING, SERVING, expect, give, say},
};

/// How long to wait where no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// The sockets that are handed over.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) main: OwnedFd,
    pub(crate) admin: Option<OwnedFd>,
    /// The service manager has them, too.
    pub(crate) are_kept: bool,
}

/// The Unix socket by which another process may take over.
#[derive(Debug)]
pub(crate) struct Handover {
    listener: UnixListener,
    path: PathBuf,
    /// Where it is now: beside `path` until [`place`](Self::place).
    at: PathBuf,
    /// Device and inode, by which it is known among those that others put in its place.
    identity: (u64, u64),
    /// Whose processes may take over.
    pub(super) user: u32,
    is_done: bool,
}

/// What came of a process that connected.
#[derive(Debug)]
enum Refused {
    OtherUser(u32),
    /// It said something else, or nothing.
    NoRequest,
    /// It had the sockets, and never served.
    NoService(io::Error),
}

impl Handover {
    /// Listens beside `path`, for this process's user alone.
    ///
    /// # Errors
    ///
    /// There can be no socket in that folder.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let mut at = path.as_os_str().to_owned();
        at.push(format!(".{}", std::process::id()));
        let at = PathBuf::from(at);
        // Left behind by a process that had our number.
        if fs::symlink_metadata(&at).is_ok_and(|file| file.file_type().is_socket()) {
            fs::remove_file(&at)?;
        }
        let listener = UnixListener::bind(&at)?;
        let identity = fs::set_permissions(&at, fs::Permissions::from_mode(0o600))
            .and_then(|()| identity(&at))
            .inspect_err(|_| drop(fs::remove_file(&at)))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            at,
            identity,
            user: rustix::process::geteuid().as_raw(),
            is_done: false,
        })
    }

    /// Takes the place of what is at the path: nothing, or the socket of a process that is gone or drains.
    pub(crate) fn place(&mut self) -> io::Result<()> {
        fs::rename(&self.at, &self.path)?;
        self.at.clone_from(&self.path);
        Ok(())
    }

    /// Waits until a process has taken over; its process id.
    pub(crate) async fn hand_over(mut self, offer: &Offer) -> Option<u32> {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "the handover socket cannot accept for the moment");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
            match hand_to(stream, self.user, offer).await {
                Ok(()) => {
                    self.is_done = true;
                    tracing::info!(pid, "another process has taken over");
                    return pid.and_then(|pid| u32::try_from(pid).ok());
                }
                Err(Refused::OtherUser(user)) => {
                    tracing::warn!(
                        pid,
                        user,
                        "a process of another user asks for the listening socket, and gets nothing"
                    );
                }
                Err(Refused::NoRequest) => {
                    tracing::warn!(pid, "a process connected to the handover socket and did not ask for anything");
                }
                Err(Refused::NoService(error)) => {
                    tracing::warn!(pid, %error, "a process that was to take over did not: this one serves on");
                }
            }
        }
    }
}

impl Drop for Handover {
    /// Where another has taken over, its socket is at the path or comes there at any moment.
    fn drop(&mut self) {
        if !self.is_done && identity(&self.at).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.at);
        }
    }
}

async fn hand_to(mut stream: UnixStream, user: u32, offer: &Offer) -> Result<(), Refused> {
    let peer = stream.peer_cred().map_err(|_| Refused::NoRequest)?.uid();
    if peer != user {
        return Err(Refused::OtherUser(peer));
    }
    if !matches!(timeout(GREETING, expect(&mut stream, ASK)).await, Ok(Ok(()))) {
        return Err(Refused::NoRequest);
    }
    let taken = timeout(LONGEST_TAKEOVER, async {
        give(&stream, offer).await?;
        expect(&mut stream, SERVING).await
    });
    match taken.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Refused::NoService(error)),
        Err(_) => return Err(Refused::NoService(io::ErrorKind::TimedOut.into())),
    }
    // It serves, whether it hears this or not.
    let _ = timeout(GREETING, say(&mut stream, DRAINING)).await;
    Ok(())
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}
