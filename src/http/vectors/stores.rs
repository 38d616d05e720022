//! A user table of recorded rows, a cache that keeps what is put into it, and a count of requests in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{
    cache::{
        CacheBackend, CacheOptions, KeyPattern,
        throttle::{self, ThrottleStore},
    },
    python::{self, Value},
    secret::Secret,
    ticket::{Redeemed, Ticket, TicketStore, TicketStoreError},
    user::{User, UserId, UserStore, UserStoreError},
};

/// Rows of `users.json`, looked up by one of their columns.
pub(super) struct RecordedUsers {
    rows: Vec<Json>,
    model: String,
    user_id_field: String,
}

impl RecordedUsers {
    pub(super) fn new(users: &Json, model: &str, user_id_field: &str) -> Self {
        let rows = users["user_models"][model]["rows"].as_array().expect("a recorded user model").clone();
        Self { rows, model: model.to_owned(), user_id_field: user_id_field.to_owned() }
    }

    /// The claim as the text that the column holds.
    fn key(&self, claim: &Value) -> Result<Option<String>, UserStoreError> {
        let uuid = self.user_id_field == "public_id" || (self.user_id_field == "id" && self.model == "uuid");
        let text = self.user_id_field == "username" || self.user_id_field == "code" || self.model == "str";
        if *claim == Value::None {
            return Ok(None);
        }
        if uuid {
            let uuid = python::uuid(claim).map_err(|_| UserStoreError::Unconvertible)?;
            return Ok(Some(uuid.simple().to_string()));
        }
        if text {
            return Ok(python::str(claim));
        }
        match python::int(claim).map_err(|_| UserStoreError::Unconvertible)? {
            Value::Int(number) => Ok(Some(number.to_string())),
            _ => Ok(None),
        }
    }

    fn user(&self, row: &Json) -> User {
        let id = match &row["id"] {
            Json::Number(number) => UserId::Int(number.as_i64().expect("an integer key")),
            Json::String(hex) if self.model == "uuid" => UserId::Uuid(Uuid::parse_str(hex).expect("a UUID")),
            Json::String(text) => UserId::Text(text.clone()),
            other => panic!("no key: {other}"),
        };
        User {
            id,
            username: None,
            is_active: row["is_active"] == 1,
            password: Secret::new(row["password"].as_str().expect("a password")),
            fields: Box::default(),
        }
    }
}

#[async_trait]
impl UserStore for RecordedUsers {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        let Some(key) = self.key(claim)? else { return Ok(None) };
        let column = |row: &Json| match &row[&self.user_id_field] {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(self.rows.iter().find(|row| column(row) == key).map(|row| self.user(row)))
    }

    async fn by_ticket_value(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        unreachable!("the view redeems nothing")
    }

    async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
        unreachable!("the view knows no names")
    }

    async fn is_blacklisted(&self, _: &str) -> Result<bool, UserStoreError> {
        Ok(false)
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        Ok(())
    }
}

/// What was issued, in order.
#[derive(Default)]
pub(super) struct KeptTickets(pub(super) Mutex<Vec<(String, Value)>>);

#[async_trait]
impl TicketStore for KeptTickets {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        assert_eq!(lifetime.as_secs(), 600);
        self.0.lock().expect("no test panics here").push((ticket.expose(), value.clone()));
        Ok(())
    }

    async fn redeem(&self, _: Ticket) -> Result<Option<Value>, TicketStoreError> {
        unreachable!("the view redeems nothing")
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        assert!(!companion.is_empty());
        self.issue(ticket, value, lifetime).await
    }

    async fn redeem_with(&self, _: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        unreachable!("the view redeems nothing")
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        Ok(())
    }
}

pub(in crate::http) fn counted_requests() -> Arc<dyn ThrottleStore> {
    let key = KeyPattern::default();
    throttle::open(&CacheOptions { backend: CacheBackend::InProcess, key, timeout: Duration::from_secs(1) })
        .expect("no file is read")
}
