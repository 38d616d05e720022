//! From a claim or a ticket's value to a key of the user table.
//!
//! What `get_prep_value` of the field does before a query is sent (Django 5.2, db/models/fields/\_\_init\_\_.py).

use std::borrow::Cow;

use uuid::Uuid;

use super::{FieldKind, UserStoreError};
use crate::{
    database::{Bind, Engine},
    python::{self, Value},
};

/// A value that can be compared with the field.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Int(i64),
    /// In a column of the database's own type.
    Uuid(Uuid),
    Text(Cow<'a, str>),
}

impl Key<'_> {
    pub(super) fn bind(&self) -> Bind<'_> {
        match self {
            Self::Int(number) => Bind::Int(*number),
            Self::Uuid(uuid) => Bind::Uuid(*uuid),
            Self::Text(text) => Bind::Text(text),
        }
    }
}

/// `value` as a key of a field of `kind`; `None` where no row can have it, so that no query is needed.
///
/// `None` (Django asks for `IS NULL`, which is no user's key) and integers that the column cannot hold (Django raises
/// `EmptyResultSet`) are no user.
///
/// # Errors
///
/// [`UserStoreError::Unconvertible`] where Django or its driver raises.
pub(super) fn key(engine: Engine, kind: FieldKind, value: &Value) -> Result<Option<Key<'_>>, UserStoreError> {
    if matches!(value, Value::None) {
        return Ok(None);
    }
    match kind {
        FieldKind::Integer { min, max } => {
            let number = python::int(value).map_err(|_| UserStoreError::Unconvertible)?;
            Ok(match number {
                Value::Int(number) if min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max) => {
                    Some(Key::Int(number))
                }
                _ => None,
            })
        }
        FieldKind::Uuid | FieldKind::UuidHex => {
            let uuid = python::uuid(value).map_err(|_| UserStoreError::Unconvertible)?;
            Ok(Some(match kind {
                FieldKind::UuidHex => Key::Text(uuid.simple().to_string().into()),
                _ => Key::Uuid(uuid),
            }))
        }
        FieldKind::Text => {
            let text = match value {
                Value::Str(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(python::str(other).ok_or(UserStoreError::Unconvertible)?),
            };
            text_key(engine, text).map(Some)
        }
    }
}

/// `text` as a key. psycopg refuses the character NUL, the other drivers send it.
pub(super) fn text_key(engine: Engine, text: Cow<'_, str>) -> Result<Key<'_>, UserStoreError> {
    if engine == Engine::Postgres && text.contains('\0') {
        return Err(UserStoreError::Unconvertible);
    }
    Ok(Key::Text(text))
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;

    use super::*;

    const INT4: FieldKind = FieldKind::Integer { min: Some(-2_147_483_648), max: Some(2_147_483_647) };
    const UNBOUNDED: FieldKind = FieldKind::Integer { min: None, max: None };

    /// The key as text; `none` for no query, `error` where Django raises.
    fn reads(kind: FieldKind, value: &Value) -> String {
        match key(Engine::Postgres, kind, value) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Key::Int(number))) => number.to_string(),
            Ok(Some(Key::Uuid(uuid))) => uuid.to_string(),
            Ok(Some(Key::Text(text))) => format!("{text:?}"),
            Err(_) => "error".to_owned(),
        }
    }

    fn text(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn an_integer_field_takes_what_int_takes() {
        for (value, expected) in [
            (Value::Int(1), "1"),
            (Value::Bool(true), "1"),
            (Value::Float(1.9), "1"),
            (Value::Float(-1.9), "-1"),
            (text(" +1_2\n"), "12"),
            (text("\u{661}"), "1"),
            (Value::Bytes(b"12".to_vec()), "12"),
            (Value::None, "none"),
            (text(""), "error"),
            (text("abc"), "error"),
            (text("1.0"), "error"),
            (Value::Float(f64::NAN), "error"),
            (Value::Float(f64::INFINITY), "error"),
            (Value::List(vec![Value::Int(1)]), "error"),
            (Value::Dict(vec![]), "error"),
            (Value::LoneSurrogates, "error"),
            (Value::Uuid(Uuid::from_u128(12)), "12"),
        ] {
            assert_eq!(reads(INT4, &value), expected, "{value:?}");
        }
        assert_eq!(reads(INT4, &text(&"1".repeat(4301))), "error");
    }

    #[test]
    fn a_number_that_the_column_cannot_hold_needs_no_query() {
        assert_eq!(reads(INT4, &Value::Int(2_147_483_647)), "2147483647");
        assert_eq!(reads(INT4, &Value::Int(2_147_483_648)), "none");
        assert_eq!(reads(INT4, &Value::Int(-2_147_483_649)), "none");
        assert_eq!(reads(INT4, &text(&"1".repeat(4300))), "none");
        assert_eq!(reads(INT4, &Value::Float(1e300)), "none");
        assert_eq!(reads(UNBOUNDED, &Value::Int(i64::MIN)), i64::MIN.to_string());
        assert_eq!(reads(UNBOUNDED, &Value::BigInt(BigInt::from(i64::MAX) + 1)), "none");
    }

    #[test]
    fn a_uuid_field_takes_what_uuid_takes() {
        let uuid = "12345678-90ab-4def-8000-000000000001";
        for form in [uuid, "1234567890AB4DEF8000000000000001", "{12345678-90ab-4def-8000-000000000001}"] {
            assert_eq!(reads(FieldKind::Uuid, &text(form)), uuid, "{form}");
        }
        assert_eq!(reads(FieldKind::UuidHex, &text(uuid)), "\"1234567890ab4def8000000000000001\"");
        assert_eq!(reads(FieldKind::Uuid, &text("urn:uuid:12345678-90ab-4def-8000-000000000001")), uuid);
        assert_eq!(reads(FieldKind::Uuid, &Value::Int(1)), "00000000-0000-0000-0000-000000000001");
        assert_eq!(reads(FieldKind::Uuid, &Value::None), "none");
        for value in [text("1"), text(""), Value::Int(-1), Value::Float(1.0), Value::List(vec![])] {
            assert_eq!(reads(FieldKind::Uuid, &value), "error", "{value:?}");
        }
    }

    #[test]
    fn a_text_field_takes_the_text_form_of_anything() {
        for (value, expected) in [
            (text("Alice "), "\"Alice \""),
            (Value::Int(42), "\"42\""),
            (Value::Bool(true), "\"True\""),
            (Value::Float(1.0), "\"1.0\""),
            (Value::List(vec![Value::Int(1), text("a")]), "\"[1, 'a']\""),
            (Value::Uuid(Uuid::nil()), "\"00000000-0000-0000-0000-000000000000\""),
            (Value::None, "none"),
            (Value::LoneSurrogates, "error"),
        ] {
            assert_eq!(reads(FieldKind::Text, &value), expected, "{value:?}");
        }
    }

    #[test]
    fn nul_is_an_error_on_postgres_alone() {
        assert_eq!(reads(FieldKind::Text, &text("ali\0ce")), "error");
        for engine in [Engine::MySql, Engine::Sqlite] {
            let value = text("ali\0ce");
            assert!(key(engine, FieldKind::Text, &value).is_ok_and(|key| key.is_some()));
        }
    }
}
