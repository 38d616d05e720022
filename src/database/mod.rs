//! Pools of the three engines.
//!
//! The statements are Django's own, with `%s` for each parameter ([`Statement`]); what a lookup binds is a [`Bind`], what
//! comes back is a [`Row`] that reads alike from every engine. sqlx speaks the protocols; the [`Pool`] is ours: sqlx's
//! own pings the server after each use and gives a connection back that was left in the middle of an answer.

mod connection;
pub(crate) mod embedded;
mod engine;
mod error;
mod inspect;
mod literal;
mod mysql;
mod options;
mod placeholders;
mod pool;
mod postgres;
mod row;
mod sqlite;
mod statement;

pub(crate) use connection::Access;
pub(crate) use engine::Engine;
pub(crate) use error::{DatabaseError, Problem};
pub(crate) use inspect::ConnectionLimit;
pub(crate) use options::{DatabaseOptions, DatabaseServer, DatabaseTls, Prepared};
pub(crate) use pool::Pool;
pub(crate) use row::{Raw, Row, Unreadable};
pub(crate) use statement::{Bind, Slot, Statement, StatementError};

#[cfg(test)]
mod tests;
