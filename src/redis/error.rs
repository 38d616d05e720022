//! Why Redis gave no answer.

use std::{io, sync::Arc, time::Duration};

/// What went wrong, and where. Neither passwords nor keys are in it: of an error that Redis answers only the first
/// word is kept, since the text may repeat the command with its arguments.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Redis at {address}: {cause}")]
pub(crate) struct RedisError {
    /// `host:port`, the path of a unix socket, or the Sentinels and their service.
    pub(crate) address: Arc<str>,
    #[source]
    pub(crate) cause: Cause,
}

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// No connection, or no TLS.
    #[error("cannot connect: {0}")]
    Connect(Arc<io::Error>),
    /// Connecting and answering together took longer.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection ended before the answer came. Whether Redis executed the command is not known.
    #[error("the connection was lost before the answer")]
    Lost,
    /// The user name and password are not taken, or none were given.
    #[error("the login was refused ({0})")]
    LoginRefused(String),
    /// Redis answered with an error, of which this is the first word.
    #[error("it refused the command {command} ({code})")]
    Refused { command: &'static str, code: String },
    /// An answer of another type than the command has.
    #[error("it answered {command} in an unknown form")]
    Unexpected { command: &'static str },
    /// No Sentinel names a primary that can be reached.
    #[error("no Sentinel leads to a primary: {0}")]
    NoPrimary(String),
}

impl Cause {
    /// The first word of the error that Redis answered, such as `READONLY`.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether another connection might do better: this one is gone, silent, or at a server that is no primary (now).
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::TimedOut(_)
            | Self::Lost
            | Self::LoginRefused(_)
            | Self::NoPrimary(_)
            | Self::Unexpected { .. } => true,
            Self::Refused { code, .. } => matches!(code.as_str(), "READONLY" | "MASTERDOWN" | "UNBLOCKED"),
        }
    }

    /// What the redis crate's error means for `command`.
    pub(super) fn of(error: &redis::RedisError, command: &'static str) -> Self {
        // Of several commands in one write, the first that was refused.
        let first = || error.clone().into_server_errors()?.first().map(|(_, error)| error.code().to_owned());
        match error.code().map(str::to_owned).or_else(first) {
            // Taken back while the connection was open: the password was changed.
            Some(code) if code == "NOAUTH" => Self::LoginRefused(code),
            Some(code) => Self::Refused { command, code },
            None if matches!(error.kind(), redis::ErrorKind::Io | redis::ErrorKind::Parse) => Self::Lost,
            None => Self::Unexpected { command },
        }
    }
}
