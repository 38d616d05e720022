//! The user store against real databases, with the tables and rows that Django made.

mod batch;
mod engines;
mod failures;
mod fields;
mod fixture;

use super::{FieldKind, User, UserId, UserStoreError};
use crate::python::Value;

/// The engines' own type for a UUID, in the tables that Django makes.
const UUID: &str = "12345678-90ab-4def-8000-000000000001";

fn text(text: &str) -> Value {
    Value::Str(text.to_owned())
}

/// The username found, `none`, or the error's kind.
fn outcome(result: Result<Option<User>, UserStoreError>) -> String {
    match result {
        Ok(Some(user)) => user.username.unwrap_or_default(),
        Ok(None) => "none".to_owned(),
        Err(UserStoreError::Unconvertible) => "unconvertible".to_owned(),
        Err(UserStoreError::MultipleRows) => "multiple".to_owned(),
        Err(UserStoreError::Unavailable(error)) => panic!("{error}"),
    }
}
