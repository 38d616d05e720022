//! Tickets in this process's memory, for `demo` and for one process alone.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Redeemed, Ticket, TicketStore, TicketStoreError};
use crate::python::Value;

/// The most tickets held at once. Each lives for 600 s, so that this is some 170 a second; beyond it the cache counts as
/// unavailable, and nobody's ticket is dropped.
const CAPACITY: usize = 100_000;

/// Django's `LocMemCache`, as far as tickets are concerned; but full is full, where Django drops a third at random.
#[derive(Default)]
pub(crate) struct InProcessTicketStore {
    entries: Mutex<HashMap<Uuid, Entry>>,
}

struct Entry {
    value: Value,
    companion: Option<Box<str>>,
    expires: Instant,
}

/// The store holds as many live tickets as it can.
#[derive(Debug, thiserror::Error)]
#[error("{CAPACITY} tickets wait to be redeemed")]
struct Full;

impl InProcessTicketStore {
    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Entry>> {
        // Nothing panics while it is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: Option<&str>,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        let now = Instant::now();
        let mut entries = self.entries();
        // Expired ones go each time the map would grow, so that the work is a constant share of each ticket's.
        if entries.len() == entries.capacity().min(CAPACITY) {
            entries.retain(|_, entry| entry.expires > now);
            if entries.len() == CAPACITY {
                return Err(TicketStoreError::Unavailable(Box::new(Full)));
            }
        }
        let companion = companion.map(Box::from);
        entries.insert(ticket.0, Entry { value: value.clone(), companion, expires: now + lifetime });
        Ok(())
    }

    fn take(&self, ticket: Ticket) -> Option<Entry> {
        let entry = self.entries().remove(&ticket.0);
        entry.filter(|entry| entry.expires > Instant::now())
    }
}

#[async_trait]
impl TicketStore for InProcessTicketStore {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        self.insert(ticket, value, None, lifetime)
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        self.insert(ticket, value, Some(companion), lifetime)
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        Ok(self.take(ticket).map(|entry| entry.value))
    }

    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        let redeemed =
            |Entry { value, companion, .. }: Entry| Redeemed { value, companion: companion.map(String::from) };
        Ok(self.take(ticket).map(redeemed))
    }

    async fn peek(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        let entries = self.entries();
        let entry = entries.get(&ticket.0).filter(|entry| entry.expires > Instant::now());
        Ok(entry.map(|entry| entry.value.clone()))
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CAPACITY, InProcessTicketStore};
    use crate::{
        python::Value,
        ticket::{TICKET_LIFETIME, Ticket, TicketStore as _, TicketStoreError},
    };

    #[tokio::test(start_paused = true)]
    async fn a_full_store_refuses_new_tickets_until_old_ones_expire() {
        let store = InProcessTicketStore::default();
        for _ in 0..CAPACITY {
            store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        }
        let full = store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await;
        assert!(matches!(full, Err(TicketStoreError::Unavailable(_))), "{full:?}");
        tokio::time::advance(TICKET_LIFETIME + Duration::from_secs(1)).await;
        store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        assert_eq!(store.entries().len(), 1);
    }
}
