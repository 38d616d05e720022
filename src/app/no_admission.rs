//! Where no ticket is issued or redeemed here: all of that is Django's, behind us, and neither its database nor its
//! cache is opened.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    python::Value,
    ticket::{Redeemed, Ticket, TicketStore, TicketStoreError},
    user::{User, UserStore, UserStoreError},
};

/// Stands in for the stores that no route and no view asks; asked all the same, it does not answer.
pub(super) struct NoAdmission;

const NOT_OPEN: &str = "it was not opened: no ticket is issued or redeemed here";

fn no_user<T>() -> Result<T, UserStoreError> {
    Err(UserStoreError::Unavailable(NOT_OPEN.into()))
}

#[async_trait]
impl UserStore for NoAdmission {
    async fn by_claim(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        no_user()
    }

    async fn by_ticket_value(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        no_user()
    }

    async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
        no_user()
    }

    async fn is_blacklisted(&self, _: &str) -> Result<bool, UserStoreError> {
        no_user()
    }

    /// Its absence keeps nobody waiting.
    async fn ping(&self) -> Result<(), UserStoreError> {
        Ok(())
    }
}

#[async_trait]
impl TicketStore for NoAdmission {
    async fn issue(&self, _: Ticket, _: &Value, _: Duration) -> Result<(), TicketStoreError> {
        Err(TicketStoreError::Unavailable(NOT_OPEN.into()))
    }

    async fn redeem(&self, _: Ticket) -> Result<Option<Value>, TicketStoreError> {
        Err(TicketStoreError::Unavailable(NOT_OPEN.into()))
    }

    async fn issue_with(&self, _: Ticket, _: &Value, _: &str, _: Duration) -> Result<(), TicketStoreError> {
        Err(TicketStoreError::Unavailable(NOT_OPEN.into()))
    }

    async fn redeem_with(&self, _: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        Err(TicketStoreError::Unavailable(NOT_OPEN.into()))
    }

    /// Its absence keeps nobody waiting.
    async fn ping(&self) -> Result<(), TicketStoreError> {
        Ok(())
    }
}
