//! Why a consumer ends its connection.

use std::{error::Error, fmt};

use super::Close;
use crate::{causes::with_causes, reason::Reason};

/// What a consumer's method answers in place of `Ok`: a [`Close`], or any error by `?`.
///
/// An error is logged, and the connection closed with 1011, as Daphne does after an exception in a consumer. In
/// [`connect`](super::Consumer::connect) either refuses the handshake.
pub struct ConsumerError(pub(crate) Failure);

/// What is in a [`ConsumerError`].
pub(crate) enum Failure {
    /// `await self.close(code, reason)`; in `connect` also `raise DenyConnection()`.
    Close(Close),
    /// A reason of our own.
    Refused(Reason),
    /// The same, with the close that the asked view names.
    Denied(Reason, Close),
    /// An exception.
    Failed(Box<dyn Error + Send + Sync>),
}

impl From<Close> for ConsumerError {
    fn from(close: Close) -> Self {
        Self(Failure::Close(close))
    }
}

impl From<Reason> for ConsumerError {
    fn from(reason: Reason) -> Self {
        Self(Failure::Refused(reason))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ConsumerError {
    fn from(error: E) -> Self {
        Self(Failure::Failed(Box::new(error)))
    }
}

impl fmt::Debug for ConsumerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Close(close) => f.debug_tuple("Close").field(&close.code()).finish(),
            Failure::Refused(reason) | Failure::Denied(reason, _) => f.debug_tuple("Refused").field(reason).finish(),
            Failure::Failed(error) => f.debug_tuple("Failed").field(&with_causes(error.as_ref())).finish(),
        }
    }
}
