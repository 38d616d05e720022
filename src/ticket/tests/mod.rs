//! The stores against real servers.

mod database;
mod outage;
mod redis;
mod sentinel;
mod vectors;

use std::{sync::Arc, time::Duration};

use super::{TICKET_LIFETIME, Ticket, TicketStore, TicketStoreError, contract, open};
use crate::{
    cache::{CacheBackend, CacheOptions, KeyPattern},
    python::Value,
    redis::RedisOptions,
};

/// The time limit of the stores in these tests.
const LIMIT: Duration = Duration::from_secs(1);

/// `CACHES["default"]` with this backend and everything else as by default.
fn cache(backend: CacheBackend) -> CacheOptions {
    CacheOptions { backend, key: KeyPattern::default(), timeout: LIMIT }
}

/// Django's own `RedisCache`.
fn django(redis: RedisOptions) -> CacheBackend {
    CacheBackend::DjangoRedis { redis, pickle_protocol: 5 }
}

fn store(backend: CacheBackend) -> Arc<dyn TicketStore> {
    open(&cache(backend)).unwrap()
}

/// Issues a ticket for user 7 and redeems it.
async fn round_trip(store: &dyn TicketStore) -> Result<(), TicketStoreError> {
    let ticket = Ticket::new();
    store.issue(ticket, &Value::Int(7), TICKET_LIFETIME).await?;
    assert_eq!(store.redeem(ticket).await?, Some(Value::Int(7)));
    Ok(())
}

/// The text of an error with all its causes.
fn text(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What an unavailable cache says.
fn unavailable<T: std::fmt::Debug>(result: Result<T, TicketStoreError>) -> String {
    match result {
        Err(error @ TicketStoreError::Unavailable(_)) => text(&error),
        other => panic!("not unavailable: {other:?}"),
    }
}

#[tokio::test]
async fn the_contract_holds_in_process() {
    contract::holds_for(store(CacheBackend::InProcess)).await;
}
