//! Why a question has no answer.

use std::{error::Error, time::Duration};

use super::answer::InvalidAnswer;

/// The view gave no answer that can be used. Its text shows nothing of what was asked or answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskFailed {
    /// In time means all of it, from waiting for a place among `[ask] max_open` to the last byte.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// Other questions were open all the time.
    #[error("no place among the open questions within {} s", .0.as_secs_f32())]
    Busy(Duration),
    #[error("the view cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It may have been processed.
    #[error("the answer broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    #[error("it was answered with status {0}")]
    Status(u16),
    #[error("the answer cannot be used: {0}")]
    Invalid(#[from] InvalidAnswer),
    /// The question has no form in JSON.
    #[error("the question has no form in JSON")]
    Unserializable,
}

impl AskFailed {
    /// Whether the same question may find an answer later, as when Django has started again.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Late(_) | Self::Busy(_) | Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Invalid(_) | Self::Unserializable => false,
        }
    }
}
