//! Why a handshake is not let in, with the error behind it: told once, where it is refused.

use std::error::Error;

use crate::{causes::with_causes, reason::Reason};

/// A reason, and what failed where something did.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) reason: Reason,
    /// What failed, with its causes.
    pub(super) failure: Option<String>,
}

impl Denied {
    /// What `error` led to.
    pub(super) fn by(reason: Reason, error: &(dyn Error + 'static)) -> Self {
        Self { reason, failure: Some(with_causes(error)) }
    }
}

impl From<Reason> for Denied {
    fn from(reason: Reason) -> Self {
        Self { reason, failure: None }
    }
}
