//! Values of the user's row that templates know, as Python's `json` would have them.

use std::fmt::Write as _;

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, date},
};

use super::{UserField, UserFields, ValueKind};
use crate::{
    database::{Raw, Row, Unreadable},
    python::{Value, json},
};

/// The values of `fields`.
///
/// # Errors
///
/// [`Unreadable`]: a column does not hold what the model says.
pub(super) fn read(fields: &[UserField], row: &Row) -> Result<UserFields, Unreadable> {
    fields.iter().map(|field| Ok((field.name.as_str().into(), value(field, row)?))).collect()
}

fn value(field: &UserField, row: &Row) -> Result<Value, Unreadable> {
    let column = field.column;
    let text = |value: Option<String>| value.map_or(Value::None, Value::Str);
    let parsed = |parse: &dyn Fn(Raw) -> Option<String>| match row.raw(column)? {
        None => Ok(Value::None),
        Some(raw) => parse(raw).map(Value::Str).ok_or(Unreadable(column)),
    };
    Ok(match field.kind {
        ValueKind::Text => text(row.text(column)?),
        ValueKind::Integer => row.int(column)?.map_or(Value::None, Value::Int),
        ValueKind::Boolean => row.bool(column)?.map_or(Value::None, Value::Bool),
        ValueKind::Float => row.float(column)?.map_or(Value::None, Value::Float),
        ValueKind::Uuid => text(row.uuid(column)?.map(|uuid| uuid.hyphenated().to_string())),
        ValueKind::Decimal { places } => parsed(&|raw| decimal(&raw, places))?,
        ValueKind::DateTime { aware } => parsed(&|raw| date_time(&raw, aware))?,
        ValueKind::Date => parsed(&|raw| day(&raw))?,
        ValueKind::Json => match row.json(column)? {
            Some(text) => json::loads_str(&text).map_err(|_| Unreadable(column))?,
            None => Value::None,
        },
        ValueKind::Any => match row.int(column) {
            Ok(number) => number.map_or(Value::None, Value::Int),
            Err(_) => text(row.text(column)?),
        },
    })
}

/// `str(Decimal)`.
fn decimal(raw: &Raw, places: usize) -> Option<String> {
    match raw {
        Raw::Text(text) => Some(text.clone()),
        // SQLite has no decimals: Django rounds what it finds to the field's places.
        Raw::Number(number) => Some(format!("{number:.places$}")),
        Raw::Postgres(bytes) => postgres_numeric(bytes),
        Raw::MySql(_) => None,
    }
}

/// PostgreSQL's binary form: groups of four digits.
fn postgres_numeric(bytes: &[u8]) -> Option<String> {
    let words: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect();
    let [count, weight, sign, scale, groups @ ..] = words.as_slice() else { return None };
    let scale = usize::try_from(*scale).ok()?;
    if groups.len() != usize::try_from(*count).ok()? {
        return None;
    }
    let group = |power: i32| {
        let index = usize::try_from(i32::from(*weight) - power).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let mut text = match sign.cast_unsigned() {
        0 => String::new(),
        0x4000 => "-".to_owned(),
        0xc000 => return Some("NaN".to_owned()),
        _ => return None,
    };
    let whole = four_digits((0..=i32::from(*weight).max(0)).rev().map(group));
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let groups = i32::try_from(scale.div_ceil(4)).ok()?;
        let fraction = four_digits((1..=groups).map(|power| group(-power)));
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(text)
}

fn four_digits(groups: impl Iterator<Item = i16>) -> String {
    groups.fold(String::new(), |mut text, group| {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{group:04}");
        text
    })
}

/// `datetime.isoformat()`.
fn date_time(raw: &Raw, aware: bool) -> Option<String> {
    let moment: DateTime = match raw {
        Raw::Postgres(bytes) => {
            let microseconds = i64::from_be_bytes(bytes.as_slice().try_into().ok()?);
            let epoch = date(2000, 1, 1).at(0, 0, 0, 0);
            epoch.checked_add(SignedDuration::from_micros(microseconds)).ok()?
        }
        Raw::MySql(bytes) => mysql(bytes)?,
        Raw::Text(text) if has_offset(text) => {
            let text = if text.matches(':').count() == 2 { format!("{text}:00") } else { text.clone() };
            text.replacen(' ', "T", 1).parse::<jiff::Timestamp>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).datetime()
        }
        Raw::Text(text) => text.replacen(' ', "T", 1).parse().ok()?,
        Raw::Number(_) => return None,
    };
    let offset = if aware { "+00:00" } else { "" };
    let fraction = match moment.subsec_nanosecond() / 1000 {
        0 => String::new(),
        microseconds => format!(".{microseconds:06}"),
    };
    Some(format!("{}{fraction}{offset}", moment.strftime("%Y-%m-%dT%H:%M:%S")))
}

/// `2024-01-01 12:00:00+00`, as PostgreSQL writes a time with its zone.
fn has_offset(text: &str) -> bool {
    text.get(11..).is_some_and(|time| time.contains(['+', '-']))
}

/// MySQL's binary form: its length, the date, and what is not zero of the time.
fn mysql(bytes: &[u8]) -> Option<DateTime> {
    let number = |from: usize| bytes.get(from).copied().unwrap_or(0);
    let year = i16::from_le_bytes([*bytes.get(1)?, *bytes.get(2)?]);
    let part = |from: usize| i8::try_from(number(from)).ok();
    let microseconds = match bytes.get(8..12) {
        Some(four) => i32::from_le_bytes(four.try_into().ok()?),
        None => 0,
    };
    let nanoseconds = microseconds.checked_mul(1000)?;
    DateTime::new(year, part(3)?, part(4)?, part(5)?, part(6)?, part(7)?, nanoseconds).ok()
}

/// `date.isoformat()`.
fn day(raw: &Raw) -> Option<String> {
    let day: Date = match raw {
        Raw::Postgres(bytes) => {
            let days = i32::from_be_bytes(bytes.as_slice().try_into().ok()?);
            date(2000, 1, 1).checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()?
        }
        Raw::MySql(bytes) => mysql(bytes)?.date(),
        Raw::Text(text) => text.get(..10)?.parse().ok()?,
        Raw::Number(_) => return None,
    };
    Some(day.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(words: &[i16]) -> Option<String> {
        postgres_numeric(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn decimals_of_postgresql_are_read() {
        for (words, expected) in [
            (&[2, 0, 0, 2, 12, 5000][..], "12.50"),
            (&[0, 0, 0, 2], "0.00"),
            (&[1, -1, 0x4000, 3, 10], "-0.001"),
            (&[3, 1, 0, 4, 1, 2345, 6789], "12345.6789"),
            (&[1, 1, 0, 0, 5], "50000"),
            (&[1, -2, 0, 8, 1], "0.00000001"),
        ] {
            assert_eq!(numeric(words).as_deref(), Some(expected), "{words:?}");
        }
        assert_eq!(numeric(&[2, 0, 0, 2, 12]), None);
    }

    #[test]
    fn times_are_pythons_isoformat() {
        let text = |text: &str, aware| date_time(&Raw::Text(text.to_owned()), aware);
        assert_eq!(text("2024-02-29 12:30:00", true).as_deref(), Some("2024-02-29T12:30:00+00:00"));
        assert_eq!(text("2024-02-29 12:30:00.25", false).as_deref(), Some("2024-02-29T12:30:00.250000"));
        assert_eq!(text("2024-02-29 12:30:00.000001+02", true).as_deref(), Some("2024-02-29T10:30:00.000001+00:00"));
        let microseconds = 86_400_000_000_i64 + 1;
        let postgres = Raw::Postgres(microseconds.to_be_bytes().to_vec());
        assert_eq!(date_time(&postgres, true).as_deref(), Some("2000-01-02T00:00:00.000001+00:00"));
        let mysql = Raw::MySql(vec![7, 0xe8, 0x07, 2, 29, 12, 30, 5]);
        assert_eq!(date_time(&mysql, true).as_deref(), Some("2024-02-29T12:30:05+00:00"));
        assert_eq!(day(&Raw::Postgres((-1_i32).to_be_bytes().to_vec())).as_deref(), Some("1999-12-31"));
        assert_eq!(day(&Raw::MySql(vec![4, 0xe8, 0x07, 2, 29])).as_deref(), Some("2024-02-29"));
        assert_eq!(text("yesterday", true), None);
    }
}
