//! Notices that a login is refused: passwords rotate, and the project's settings may know the new one.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    database,
    python::Value,
    redis,
    ticket::{Redeemed, Ticket, TicketStore, TicketStoreError},
    user::{User, UserId, UserStore, UserStoreError},
};

/// Whether a login was refused somewhere in the causes of `error`.
fn is_refused_login(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let refused = match (error.downcast_ref::<database::DatabaseError>(), error.downcast_ref::<redis::RedisError>())
        {
            (Some(error), _) => error.problem() == database::Problem::LoginRefused,
            (_, Some(error)) => matches!(error.cause, redis::Cause::LoginRefused(_)),
            _ => false,
        };
        if refused {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A store that tells `notify` of refused logins.
struct Watched<S: ?Sized> {
    notify: Arc<Notify>,
    store: Arc<S>,
}

impl<S: ?Sized> Watched<S> {
    fn watch<T, E: Error + 'static>(&self, result: Result<T, E>) -> Result<T, E> {
        result.inspect_err(|error| {
            if is_refused_login(error) {
                self.notify.notify_one();
            }
        })
    }
}

/// A [`UserStore`] that tells of refused logins.
pub(super) struct WatchedUsers(Watched<dyn UserStore>);

impl WatchedUsers {
    pub(super) fn new(store: Arc<dyn UserStore>, notify: Arc<Notify>) -> Self {
        Self(Watched { notify, store })
    }
}

#[async_trait]
impl UserStore for WatchedUsers {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        self.0.watch(self.0.store.by_claim(claim).await)
    }

    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
        self.0.watch(self.0.store.by_ticket_value(value).await)
    }

    async fn by_username(&self, username: &str) -> Result<Option<User>, UserStoreError> {
        self.0.watch(self.0.store.by_username(username).await)
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        self.0.watch(self.0.store.is_blacklisted(jti).await)
    }

    async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>, UserStoreError> {
        self.0.watch(self.0.store.by_ids(ids).await)
    }

    fn finds_many_at_once(&self) -> bool {
        self.0.store.finds_many_at_once()
    }

    async fn blacklisted(&self, jtis: &[Box<str>]) -> Result<Vec<Box<str>>, UserStoreError> {
        self.0.watch(self.0.store.blacklisted(jtis).await)
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        self.0.watch(self.0.store.ping().await)
    }

    fn pool(&self) -> Option<database::Pool> {
        self.0.store.pool()
    }
}

/// A [`TicketStore`] that tells of refused logins.
pub(super) struct WatchedTickets(Watched<dyn TicketStore>);

impl WatchedTickets {
    pub(super) fn new(store: Arc<dyn TicketStore>, notify: Arc<Notify>) -> Self {
        Self(Watched { notify, store })
    }
}

#[async_trait]
impl TicketStore for WatchedTickets {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        self.0.watch(self.0.store.issue(ticket, value, lifetime).await)
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        self.0.watch(self.0.store.redeem(ticket).await)
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        self.0.watch(self.0.store.issue_with(ticket, value, companion, lifetime).await)
    }

    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        self.0.watch(self.0.store.redeem_with(ticket).await)
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        self.0.watch(self.0.store.ping().await)
    }

    fn pool(&self) -> Option<database::Pool> {
        self.0.store.pool()
    }
}
