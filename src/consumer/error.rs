//! Why a consumer ends its connection.

use std::{error::Error, fmt, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;

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

impl ConsumerError {
    /// `await self.close(code, reason)`: for `return Err(ConsumerError::close(4001, "why"))`. A code or reason that must
    /// not be sent makes it an error like any other.
    #[must_use]
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Close::new(code, reason).map_or_else(|| InvalidClose(code).into(), Self::from)
    }

    /// `raise DenyConnection()`, in [`connect`](super::Consumer::connect): the handshake is refused.
    #[must_use]
    pub fn deny() -> Self {
        Close::default().into()
    }
}

/// What a consumer's method answers. A panic in it is an error like any other: it ends this connection and no other.
pub(crate) async fn guarded(call: impl Future<Output = Result<(), ConsumerError>>) -> Result<(), ConsumerError> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| Err(Panicked.into()))
}

/// Where and why stands in the output of the panic itself.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
pub(crate) struct Panicked;

/// A consumer wants to close in a way that the protocol does not know.
#[derive(Debug, thiserror::Error)]
#[error("a connection cannot be closed with code {0}, or not with so long a reason")]
struct InvalidClose(u16);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let panics = async { std::hint::black_box(None::<()>).map(Ok).expect("a reason to panic") };
        assert_eq!(format!("{:?}", guarded(panics).await.unwrap_err()), r#"Failed("it panicked")"#);
    }

    #[test]
    fn a_close_that_must_not_be_sent_is_an_error() {
        assert_eq!(format!("{:?}", ConsumerError::close(4001, "why")), "Close(4001)");
        assert_eq!(format!("{:?}", ConsumerError::deny()), "Close(1000)");
        assert!(matches!(ConsumerError::close(1006, "").0, Failure::Failed(_)));
    }
}
