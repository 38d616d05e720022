//! Measures how long database, cache and channel layer take.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;

use crate::{
    cache::throttle::{Decision, ThrottleError, ThrottleStore},
    database::Pool,
    metrics::Metrics,
    python::Value,
    ticket::{Redeemed, Ticket, TicketStore, TicketStoreError},
    user::{User, UserId, UserStore, UserStoreError},
};

/// A [`UserStore`] whose answers are measured.
pub(super) struct MeasuredUsers {
    pub(super) store: Arc<dyn UserStore>,
    pub(super) metrics: Arc<Metrics>,
}

impl MeasuredUsers {
    async fn measure<T>(
        &self,
        operation: &str,
        question: impl Future<Output = Result<T, UserStoreError>>,
    ) -> Result<T, UserStoreError> {
        let since = Instant::now();
        let answer = question.await;
        let is_answered = !matches!(answer, Err(UserStoreError::Unavailable(_)));
        self.metrics.latencies.database.observe(operation, since.elapsed(), is_answered);
        answer
    }
}

#[async_trait]
impl UserStore for MeasuredUsers {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        self.measure("user_by_claim", self.store.by_claim(claim)).await
    }

    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
        self.measure("user_by_ticket", self.store.by_ticket_value(value)).await
    }

    async fn by_username(&self, username: &str) -> Result<Option<User>, UserStoreError> {
        self.measure("user_by_name", self.store.by_username(username)).await
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        self.measure("blacklist", self.store.is_blacklisted(jti)).await
    }

    async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>, UserStoreError> {
        self.measure("check", self.store.by_ids(ids)).await
    }

    fn finds_many_at_once(&self) -> bool {
        self.store.finds_many_at_once()
    }

    async fn blacklisted(&self, jtis: &[Box<str>]) -> Result<Vec<Box<str>>, UserStoreError> {
        self.measure("check", self.store.blacklisted(jtis)).await
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        self.measure("ping", self.store.ping()).await
    }

    fn pool(&self) -> Option<Pool> {
        self.store.pool()
    }
}

/// A [`TicketStore`] whose answers are measured.
pub(super) struct MeasuredTickets {
    pub(super) store: Arc<dyn TicketStore>,
    pub(super) metrics: Arc<Metrics>,
}

impl MeasuredTickets {
    async fn measure<T>(
        &self,
        operation: &str,
        question: impl Future<Output = Result<T, TicketStoreError>>,
    ) -> Result<T, TicketStoreError> {
        let since = Instant::now();
        let answer = question.await;
        let is_answered = !matches!(answer, Err(TicketStoreError::Unavailable(_)));
        self.metrics.latencies.cache.observe(operation, since.elapsed(), is_answered);
        answer
    }
}

#[async_trait]
impl TicketStore for MeasuredTickets {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        self.measure("issue", self.store.issue(ticket, value, lifetime)).await
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        self.measure("redeem", self.store.redeem(ticket)).await
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        self.measure("issue", self.store.issue_with(ticket, value, companion, lifetime)).await
    }

    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        self.measure("redeem", self.store.redeem_with(ticket)).await
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        self.measure("ping", self.store.ping()).await
    }

    fn pool(&self) -> Option<Pool> {
        self.store.pool()
    }
}

/// A [`ThrottleStore`] whose answers are measured.
pub(super) struct MeasuredThrottles {
    pub(super) store: Arc<dyn ThrottleStore>,
    pub(super) metrics: Arc<Metrics>,
}

#[async_trait]
impl ThrottleStore for MeasuredThrottles {
    async fn allow(
        &self,
        key: &str,
        requests: u64,
        period: Duration,
        now: SystemTime,
    ) -> Result<Decision, ThrottleError> {
        let since = Instant::now();
        let answer = self.store.allow(key, requests, period, now).await;
        self.metrics.latencies.cache.observe("throttle", since.elapsed(), answer.is_ok());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers only what a store may answer better than by asking for each alone.
    struct ManyAtOnce;

    #[async_trait]
    impl UserStore for ManyAtOnce {
        async fn by_claim(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
            unreachable!("asked for one")
        }

        async fn by_ticket_value(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
            unreachable!("asked for one")
        }

        async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
            unreachable!("asked for one")
        }

        async fn is_blacklisted(&self, _: &str) -> Result<bool, UserStoreError> {
            unreachable!("asked for one")
        }

        async fn by_ids(&self, _: &[UserId]) -> Result<Vec<User>, UserStoreError> {
            Ok(Vec::new())
        }

        fn finds_many_at_once(&self) -> bool {
            true
        }

        async fn blacklisted(&self, jtis: &[Box<str>]) -> Result<Vec<Box<str>>, UserStoreError> {
            Ok(jtis.to_vec())
        }

        async fn ping(&self) -> Result<(), UserStoreError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_stands_around_a_store_asks_it_for_many_at_once() {
        let measured: Arc<dyn UserStore> =
            Arc::new(MeasuredUsers { store: Arc::new(ManyAtOnce), metrics: Arc::default() });
        let watched: Arc<dyn UserStore> =
            Arc::new(crate::app::refused_login::WatchedUsers::new(Arc::clone(&measured), Arc::default()));
        for store in [measured, watched] {
            assert!(store.finds_many_at_once());
            assert!(store.by_ids(&[UserId::Int(1), UserId::Int(2)]).await.unwrap().is_empty());
            let jtis = [Box::from("a"), Box::from("b")];
            assert_eq!(store.blacklisted(&jtis).await.unwrap(), jtis);
        }
    }
}
