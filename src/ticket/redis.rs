//! Tickets in Redis, as Django's `RedisCache` and django-redis keep them.

use std::{io, time::Duration};

use async_trait::async_trait;

use super::{Redeemed, Ticket, TicketStore, TicketStoreError};
use crate::{
    cache::{KeyPattern, ValueFormat},
    python::Value,
    redis::{Redis, RedisError, RedisOptions},
};

/// `CACHES["default"]` in Redis. Reads and deletes go to the primary, where Django's may go to a replica that the
/// ticket has not reached.
pub(crate) struct RedisTicketStore {
    redis: Redis,
    key: KeyPattern,
    format: ValueFormat,
}

impl RedisTicketStore {
    /// Does not connect yet.
    ///
    /// # Errors
    ///
    /// A file of the TLS options that cannot be read.
    pub(crate) fn new(
        redis: &RedisOptions,
        key: KeyPattern,
        format: ValueFormat,
        timeout: Duration,
    ) -> io::Result<Self> {
        Ok(Self { redis: Redis::new(redis, timeout)?, key, format })
    }

    fn key(&self, ticket: Ticket) -> String {
        self.key.make(&ticket.expose())
    }

    /// `cache.set(key, value, lifetime)`.
    fn set(&self, key: &str, value: &Value, lifetime: Duration) -> Result<redis::Cmd, TicketStoreError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(self.format.encode(value)?);
        match self.format {
            ValueFormat::Django { .. } => command.arg("EX").arg(lifetime.as_secs()),
            // Whole milliseconds, of whole seconds here: `int(timeout * 1000)`.
            ValueFormat::DjangoRedis { .. } => command.arg("PX").arg(lifetime.as_secs() * 1000),
        };
        Ok(command)
    }

    /// The value of `key`, which is deleted with it.
    async fn take(&self, key: &str) -> Result<Option<Value>, TicketStoreError> {
        let bytes = match self.redis.take(key).await {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => bytes,
            // A list or a hash under a ticket's key: no value of Django's, and gone like any other.
            Err(error) if error.cause.code() == Some("WRONGTYPE") => {
                self.redis.send::<u64>(redis::cmd("DEL").arg(key), "DEL").await?;
                super::log_unreadable();
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let value = self.format.decode(&bytes).ok();
        if value.is_none() {
            super::log_unreadable();
        }
        Ok(value)
    }
}

#[async_trait]
impl TicketStore for RedisTicketStore {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        let command = self.set(&self.key(ticket), value, lifetime)?;
        Ok(self.redis.send(&command, "SET").await?)
    }

    /// One write; the ticket last, so that none is there without its companion.
    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        let mut pipeline = redis::Pipeline::new();
        let companion = Value::Str(companion.to_owned());
        pipeline.add_command(self.set(&self.key.make(&ticket.companion()), &companion, lifetime)?);
        pipeline.add_command(self.set(&self.key(ticket), value, lifetime)?);
        Ok(self.redis.send_all(&pipeline, "SET, SET").await?)
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        self.take(&self.key(ticket)).await
    }

    /// Both are asked for at the same time, on one connection: one round trip.
    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        let (key, companion) = (self.key(ticket), self.key.make(&ticket.companion()));
        let (value, companion) = tokio::join!(self.take(&key), self.take(&companion));
        let Some(value) = value? else { return Ok(None) };
        Ok(Some(Redeemed { value, companion: super::companion_text(companion?) }))
    }

    async fn peek(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        let bytes: Option<Vec<u8>> = self.redis.send(redis::cmd("GET").arg(self.key(ticket)), "GET").await?;
        Ok(bytes.and_then(|bytes| self.format.decode(&bytes).ok()))
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        Ok(self.redis.send(&redis::cmd("PING"), "PING").await?)
    }
}

impl From<RedisError> for TicketStoreError {
    fn from(error: RedisError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
