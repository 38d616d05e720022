//! Django's user model: who a token or a ticket stands for.

mod batch;
mod conversion;
mod fields;
mod joined;
mod options;
mod sql;
mod statement;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use uuid::Uuid;

pub(crate) use joined::JoinedUsers;
pub(crate) use options::{ActiveFlag, FieldKind, Parameter, UserField, UserOptions, UserQuery, ValueKind};
pub(crate) use sql::UserOpenError;
pub(crate) use statement::{UserColumn, UserTable};

use crate::{
    database::{Access, DatabaseOptions, Pool},
    python::Value,
    secret::Secret,
};

/// The users of the project's database, after every statement has been tried once.
///
/// # Errors
///
/// [`UserOpenError`] says what is wrong and what to do: the login, the database, a table or column, a statement.
pub(crate) async fn open(user: &UserOptions, database: &DatabaseOptions) -> Result<Arc<dyn UserStore>, UserOpenError> {
    open_in(user, Pool::new(database, Access::Read)?).await
}

/// As [`open`], for a pool that is there already, such as that of the embedded database.
///
/// # Errors
///
/// As [`open`].
pub(crate) async fn open_in(user: &UserOptions, pool: Pool) -> Result<Arc<dyn UserStore>, UserOpenError> {
    let mut store = sql::SqlUserStore::new(user, pool)?;
    store.try_once().await?;
    Ok(Arc::new(store))
}

/// The users behind a pool that is open already.
///
/// # Errors
///
/// [`UserOpenError`] if a statement cannot be used.
pub(crate) fn with_pool(user: &UserOptions, pool: Pool) -> Result<Arc<dyn UserStore>, UserOpenError> {
    Ok(Arc::new(sql::SqlUserStore::new(user, pool)?))
}

/// A row of the user table.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The attribute `id`, which a ticket stores.
    pub(crate) id: UserId,
    /// `get_username()`, where the statement selects it.
    pub(crate) username: Option<String>,
    /// `is_active`; true where the model has no such column.
    pub(crate) is_active: bool,
    /// The `password` column, for `CHECK_REVOKE_TOKEN`.
    pub(crate) password: Secret,
    /// What `[websocket] user_fields` names, where the user was looked up by a ticket.
    pub(crate) fields: UserFields,
}

/// Names and values of columns.
pub(crate) type UserFields = Box<[(Box<str>, Value)]>;

/// A primary key, in the form that Django's model gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UserId {
    Int(i64),
    Uuid(Uuid),
    Text(String),
}

/// `str(user.pk)`.
impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<&UserId> for Value {
    fn from(id: &UserId) -> Self {
        match id {
            UserId::Int(number) => Self::Int(*number),
            UserId::Uuid(uuid) => Self::Uuid(*uuid),
            UserId::Text(text) => Self::Str(text.clone()),
        }
    }
}

/// Where users are looked up.
#[async_trait]
pub(crate) trait UserStore: Send + Sync {
    /// The user whose `USER_ID_FIELD` has the value of the token's `USER_ID_CLAIM`.
    /// Matches SimpleJWT, authentication.py, `JWTAuthentication.get_user`.
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError>;

    /// The user whose `id` is the value of a redeemed ticket.
    /// Matches django-channels-jwt, middleware.py, `JwtAuthMiddleware.get_user`.
    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError>;

    /// The user with this `USERNAME_FIELD`, for the command line.
    async fn by_username(&self, username: &str) -> Result<Option<User>, UserStoreError>;

    /// Whether an unexpired token with this `jti` is on SimpleJWT's blacklist.
    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError>;

    /// The users with these keys, in any order; a user who is gone is not among them. `fields` are not read.
    ///
    /// # Errors
    ///
    /// Nothing is known of any of them.
    async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>, UserStoreError> {
        let mut users = Vec::new();
        for id in ids {
            match self.by_ticket_value(&Value::from(id)).await {
                Ok(user) => users.extend(user),
                Err(UserStoreError::Unconvertible | UserStoreError::MultipleRows) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(users)
    }

    /// Whether [`by_ids`](Self::by_ids) asks for many users in one statement.
    fn finds_many_at_once(&self) -> bool {
        false
    }

    /// Those of these token ids that are on SimpleJWT's blacklist.
    async fn blacklisted(&self, jtis: &[Box<str>]) -> Result<Vec<Box<str>>, UserStoreError> {
        let mut listed = Vec::new();
        for jti in jtis {
            match self.is_blacklisted(jti).await {
                Ok(true) => listed.push(jti.clone()),
                Ok(false) | Err(UserStoreError::Unconvertible) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    /// A round trip to the database, for readiness.
    async fn ping(&self) -> Result<(), UserStoreError>;

    /// The pool that answers, for those who watch it.
    fn pool(&self) -> Option<Pool> {
        None
    }
}

/// Why a user could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserStoreError {
    /// The value cannot be converted to the field's type, where Django raises (and answers 500).
    #[error("the value cannot be a key of the user table")]
    Unconvertible,
    /// The database did not answer in time, or refused the login or the statement.
    #[error("the database did not answer the user query")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More than one row matched, where Django raises `MultipleObjectsReturned`.
    #[error("more than one user matched")]
    MultipleRows,
}

#[cfg(test)]
mod tests;
