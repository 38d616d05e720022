//! A row, read alike from every engine.

use sqlx::{
    Row as _, TypeInfo, ValueRef,
    mysql::MySqlRow,
    postgres::{PgRow, PgValueFormat},
    sqlite::SqliteRow,
};
use uuid::Uuid;

/// One row of an answer. Columns count from 0.
pub(crate) enum Row {
    Postgres(PgRow),
    MySql(MySqlRow),
    Sqlite(SqliteRow),
}

/// A value as its database has it.
#[derive(Debug)]
pub(crate) enum Raw {
    /// PostgreSQL's binary form.
    Postgres(Vec<u8>),
    /// MySQL's binary form of times and dates.
    MySql(Vec<u8>),
    Text(String),
    /// In SQLite, which has no type for it.
    Number(f64),
}

/// A column that does not hold what it should. It has no more to say: the value may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("column {0} does not hold what it should")]
pub(crate) struct Unreadable(pub(crate) usize);

impl Row {
    /// An integer; `None` is SQL's null.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if there is no such column, or something else in it.
    pub(crate) fn int(&self, column: usize) -> Result<Option<i64>, Unreadable> {
        let unreadable = || Unreadable(column);
        match self {
            Self::Postgres(row) => {
                let Some((bytes, format)) = postgres(row, column)? else { return Ok(None) };
                let number = match (format, bytes.len()) {
                    (PgValueFormat::Text, _) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
                    (PgValueFormat::Binary, 2) => bytes.try_into().ok().map(|two| i64::from(i16::from_be_bytes(two))),
                    (PgValueFormat::Binary, 4) => bytes.try_into().ok().map(|four| i64::from(i32::from_be_bytes(four))),
                    (PgValueFormat::Binary, 8) => bytes.try_into().ok().map(i64::from_be_bytes),
                    _ => None,
                };
                number.map(Some).ok_or_else(unreadable)
            }
            Self::MySql(row) => {
                let value = row.try_get_raw(column).map_err(|_| unreadable())?;
                if value.type_info().name().ends_with("UNSIGNED") {
                    let number = row.try_get::<Option<u64>, _>(column).map_err(|_| unreadable())?;
                    return number.map(i64::try_from).transpose().map_err(|_| unreadable());
                }
                // try_get refuses tinyint(1), which has a type of its own.
                row.try_get::<Option<i64>, _>(column)
                    .or_else(|_| row.try_get::<Option<bool>, _>(column).map(|flag| flag.map(i64::from)))
                    .map_err(|_| unreadable())
            }
            // Columns have no types: what is in the row counts.
            Self::Sqlite(row) => row.try_get::<Option<i64>, _>(column).map_err(|_| unreadable()),
        }
    }

    /// Text.
    ///
    /// # Errors
    ///
    /// As [`int`](Self::int).
    pub(crate) fn text(&self, column: usize) -> Result<Option<String>, Unreadable> {
        let unreadable = || Unreadable(column);
        match self {
            Self::Postgres(row) => {
                let Some((bytes, _)) = postgres(row, column)? else { return Ok(None) };
                std::str::from_utf8(bytes).map(|text| Some(text.to_owned())).map_err(|_| unreadable())
            }
            // Unchecked: MariaDB's own uuid, and text with a binary collation, have other types.
            Self::MySql(row) => row.try_get_unchecked::<Option<String>, _>(column).map_err(|_| unreadable()),
            Self::Sqlite(row) => row.try_get_unchecked::<Option<String>, _>(column).map_err(|_| unreadable()),
        }
    }

    /// A boolean: `t` and `f` in PostgreSQL, 0 and others elsewhere.
    ///
    /// # Errors
    ///
    /// As [`int`](Self::int).
    pub(crate) fn bool(&self, column: usize) -> Result<Option<bool>, Unreadable> {
        let Self::Postgres(row) = self else { return Ok(self.int(column)?.map(|number| number != 0)) };
        match postgres(row, column)? {
            None => Ok(None),
            Some((b"t" | [1], _)) => Ok(Some(true)),
            Some((b"f" | [0], _)) => Ok(Some(false)),
            // An integer column behind a BooleanField.
            Some(_) => Ok(self.int(column)?.map(|number| number != 0)),
        }
    }

    /// A floating-point number.
    ///
    /// # Errors
    ///
    /// As [`int`](Self::int).
    pub(crate) fn float(&self, column: usize) -> Result<Option<f64>, Unreadable> {
        let unreadable = || Unreadable(column);
        match self {
            Self::Postgres(row) => {
                let Some((bytes, format)) = postgres(row, column)? else { return Ok(None) };
                let number = match (format, bytes.len()) {
                    (PgValueFormat::Text, _) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
                    (PgValueFormat::Binary, 4) => bytes.try_into().ok().map(|four| f64::from(f32::from_be_bytes(four))),
                    (PgValueFormat::Binary, 8) => bytes.try_into().ok().map(f64::from_be_bytes),
                    _ => None,
                };
                number.map(Some).ok_or_else(unreadable)
            }
            Self::MySql(row) => row
                .try_get::<Option<f64>, _>(column)
                .or_else(|_| row.try_get::<Option<f32>, _>(column).map(|number| number.map(f64::from)))
                .map_err(|_| unreadable()),
            Self::Sqlite(row) => row.try_get_unchecked::<Option<f64>, _>(column).map_err(|_| unreadable()),
        }
    }

    /// The text of JSON.
    ///
    /// # Errors
    ///
    /// As [`int`](Self::int).
    pub(crate) fn json(&self, column: usize) -> Result<Option<String>, Unreadable> {
        let text = self.text(column)?;
        // `jsonb` has its version before the text.
        Ok(text.map(|text| text.strip_prefix('\u{1}').map(str::to_owned).unwrap_or(text)))
    }

    /// A value in the form that its database has for it.
    ///
    /// # Errors
    ///
    /// As [`int`](Self::int).
    pub(crate) fn raw(&self, column: usize) -> Result<Option<Raw>, Unreadable> {
        let unreadable = |_| Unreadable(column);
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(|text| Raw::Text(text.to_owned()));
        match self {
            Self::Postgres(row) => match postgres(row, column)? {
                None => Ok(None),
                Some((bytes, PgValueFormat::Binary)) => Ok(Some(Raw::Postgres(bytes.to_vec()))),
                Some((bytes, PgValueFormat::Text)) => text(bytes).map(Some).map_err(unreadable),
            },
            Self::MySql(row) => {
                let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(column).map_err(|_| Unreadable(column))?;
                match bytes {
                    None => Ok(None),
                    // The length comes first, and is below that of any digit.
                    Some(bytes) if bytes.first().is_none_or(|&first| first < b'+') => Ok(Some(Raw::MySql(bytes))),
                    Some(bytes) => text(&bytes).map(Some).map_err(unreadable),
                }
            }
            Self::Sqlite(row) => {
                let value = row.try_get_raw(column).map_err(|_| Unreadable(column))?;
                if value.is_null() {
                    return Ok(None);
                }
                let is_text = value.type_info().name() == "TEXT";
                drop(value);
                if is_text {
                    return Ok(self.text(column)?.map(Raw::Text));
                }
                Ok(self.float(column)?.map(Raw::Number))
            }
        }
    }

    /// A UUID of the database's own type, or its text with or without hyphens.
    ///
    /// # Errors
    ///
    /// As [`int`](Self::int).
    pub(crate) fn uuid(&self, column: usize) -> Result<Option<Uuid>, Unreadable> {
        if let Self::Postgres(row) = self
            && let Some((bytes, PgValueFormat::Binary)) = postgres(row, column)?
            && let Ok(sixteen) = <[u8; 16]>::try_from(bytes)
        {
            return Ok(Some(Uuid::from_bytes(sixteen)));
        }
        let Some(text) = self.text(column)? else { return Ok(None) };
        Uuid::try_parse(&text).map(Some).map_err(|_| Unreadable(column))
    }
}

/// The bytes of a column and their format: binary from prepared statements, text from others.
fn postgres(row: &PgRow, column: usize) -> Result<Option<(&[u8], PgValueFormat)>, Unreadable> {
    let value = row.try_get_raw(column).map_err(|_| Unreadable(column))?;
    if value.is_null() {
        return Ok(None);
    }
    let format = value.format();
    value.as_bytes().map(|bytes| Some((bytes, format))).map_err(|_| Unreadable(column))
}
