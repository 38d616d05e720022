//! Open sockets that were closed because of their user or token.

use super::{count::ByReason, exposition::Page};
use crate::reason::Reason;

/// Why open sockets may be closed so.
const REASONS: [Reason; 5] =
    [Reason::UserNotFound, Reason::UserInactive, Reason::TokenExpired, Reason::TokenRevoked, Reason::PasswordChanged];

/// What was closed since the start.
#[derive(Debug, Default)]
pub(crate) struct Ended(ByReason);

impl Ended {
    /// So many sockets were closed for `reason`.
    pub(crate) fn closed(&self, reason: Reason, sockets: usize) {
        self.0.add(reason, sockets);
    }

    /// How many were closed for `reason`.
    #[cfg(test)]
    pub(crate) fn of(&self, reason: Reason) -> u64 {
        self.0.all().find(|(known, _)| *known == reason).map_or(0, |(_, count)| count)
    }

    pub(super) fn write(&self, page: &mut Page) {
        let mut family =
            page.counter("sluicegate_sockets_revoked", "Open sockets that were closed because of their user or token.");
        for (reason, count) in self.0.all().filter(|(reason, _)| REASONS.contains(reason)) {
            family.sample(&[("reason", reason.code())], count);
        }
    }
}
