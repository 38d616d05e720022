//! Users who were looked up once for several who asked.

use super::{count::Count, exposition::Page};

/// How many were answered by somebody else's query, since the start.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    pub(crate) of_handshakes: Count,
    pub(crate) of_tickets: Count,
}

impl Lookups {
    pub(super) fn write(&self, page: &mut Page) {
        let mut family = page.counter(
            "sluicegate_user_lookups_joined",
            "Handshakes and requests for tickets whose user came with the query of another one of the same user.",
        );
        family.sample(&[("for", "handshake")], self.of_handshakes.get());
        family.sample(&[("for", "ticket")], self.of_tickets.get());
    }
}
