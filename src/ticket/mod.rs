//! Tickets: issued into Django's cache, redeemed out of it (django-channels-jwt 0.0.3).

mod companion;
mod database;
mod in_process;
mod open;
mod redis;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{cache::Unstorable, database::Pool, python::Value};

pub(crate) use companion::{Companion, Needs};
pub(crate) use database::DatabaseTicketStore;
pub(crate) use in_process::InProcessTicketStore;
pub(crate) use open::{OpenError, open};
pub(crate) use redis::RedisTicketStore;

/// How long django-channels-jwt keeps a ticket, whatever the cache's `TIMEOUT` says.
pub(crate) const TICKET_LIFETIME: Duration = Duration::from_mins(10);

/// The one-time key to a socket, which the Python package calls `uuid`.
///
/// Only the form that Python prints parses (lower case, hyphens), so that `?uuid=` can name no other key of the
/// cache. Whoever holds the text is the user: `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(Uuid);

impl Ticket {
    /// A fresh random ticket, as `uuid.uuid4()`.
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }

    /// The ticket that `text` is, if it is a UUID in lower case with hyphens.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == 36 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        if !canonical {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The name, in the cache, of what is kept beside the ticket. No ticket has this form.
    fn companion(self) -> String {
        format!("{}.sluicegate", self.expose())
    }

    /// The text that Python prints: 36 characters.
    pub(crate) fn expose(self) -> String {
        self.0.hyphenated().to_string()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(***)")
    }
}

/// Where tickets are kept: Django's cache.
#[async_trait]
pub(crate) trait TicketStore: Send + Sync {
    /// Stores `value`, the user's id, under `ticket` for `lifetime`.
    /// Matches django-channels-jwt, views.py, `AsgiValidateTokenView.get`: `cache.set(uuid, request.user.id, 600)`.
    ///
    /// # Errors
    ///
    /// [`TicketStoreError::Unavailable`] if the cache did not answer; [`TicketStoreError::Unstorable`] if its
    /// serializer cannot hold the value.
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError>;

    /// Takes `ticket` out of the cache, so that a second call returns `None`.
    ///
    /// Matches django-channels-jwt, middleware.py, `JwtAuthMiddleware.auth`, but one command takes the value and
    /// the key together, and is sent at most once.
    ///
    /// # Errors
    ///
    /// [`TicketStoreError::Unavailable`] if the cache did not answer: refuse, but do not call the ticket invalid.
    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError>;

    /// The value that [`redeem`](Self::redeem) would give, while the ticket stays: for `sluicegate explain-handshake`.
    ///
    /// # Errors
    ///
    /// As for [`redeem`](Self::redeem); also where nobody looks.
    async fn peek(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        let _ = ticket;
        Err(TicketStoreError::Unavailable("tickets here can only be redeemed".into()))
    }

    /// As [`issue`](Self::issue), and stores `companion` under a key of its own beside the ticket, which stays as it is.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue); there may then be a companion without a ticket, which expires.
    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError>;

    /// As [`redeem`](Self::redeem), with what stood beside the ticket.
    ///
    /// # Errors
    ///
    /// As [`redeem`](Self::redeem), also where the companion alone could not be read.
    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError>;

    /// A round trip to the cache, for readiness.
    async fn ping(&self) -> Result<(), TicketStoreError>;

    /// The pool that answers, for those who watch it, where tickets are in a database.
    fn pool(&self) -> Option<Pool> {
        None
    }
}

/// What a ticket stood for.
#[derive(Clone, PartialEq)]
pub(crate) struct Redeemed {
    /// The user's id.
    pub(crate) value: Value,
    /// The text that was stored beside it; none beside a ticket of Python's.
    pub(crate) companion: Option<String>,
}

/// Why a ticket could not be stored or taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketStoreError {
    /// The cache did not answer in time, or refused.
    #[error("the cache did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The project's serializer cannot store such a value (a UUID in msgpack).
    #[error("the cache's serializer cannot store a {kind}")]
    Unstorable {
        /// Python's name of the value's type.
        kind: &'static str,
    },
}

impl From<Unstorable> for TicketStoreError {
    fn from(Unstorable { kind }: Unstorable) -> Self {
        Self::Unstorable { kind }
    }
}

/// The text of a companion. Anything else under its key is none of ours.
fn companion_text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::Str(text)) => Some(text),
        _ => None,
    }
}

/// A ticket's value that is no user's id: deleted with its key, it counts as a ticket that is unknown. What it holds is
/// not told, being someone's cached value.
fn log_unreadable() {
    tracing::warn!(
        "a ticket's value in the cache cannot be read as a user's id: do all who write there use the same serializer and \
         compressor?"
    );
}
