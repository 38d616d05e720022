//! `UUID()`, as Django's `UUIDField` calls it.

use num_bigint::BigInt;
use uuid::Uuid;

use super::{Value, int::hex_from_str};

/// `UUID()` or Django refused the value (`ValidationError`, which nothing catches: a 500 there).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID in any form that Python takes")]
pub(crate) struct NotUuid;

/// `UUIDField.to_python(value)`: integers as 128-bit values, everything else as text in a hexadecimal form.
/// Matches Django 5.2, `db/models/fields/__init__.py`.
///
/// # Errors
///
/// [`NotUuid`], as Django's `ValidationError`. `None` is not a case: Django asks for NULL before.
pub(crate) fn uuid(value: &Value) -> Result<Uuid, NotUuid> {
    match value {
        Value::Uuid(uuid) => Ok(*uuid),
        Value::Bool(flag) => Ok(Uuid::from_u128(u128::from(*flag))),
        Value::Int(number) => u128::try_from(*number).map(Uuid::from_u128).map_err(|_| NotUuid),
        Value::BigInt(number) => from_int(number),
        Value::Str(text) => uuid_from_str(text),
        Value::None | Value::Float(_) | Value::LoneSurrogates | Value::Bytes(_) | Value::List(_) | Value::Dict(_) => {
            Err(NotUuid)
        }
    }
}

/// `UUID(text)`: dashes anywhere, braces, `urn:` and `uuid:` are dropped; 32 characters must be left, and they are
/// read by `int(_, 16)`, which takes more than hexadecimal digits.
///
/// # Errors
///
/// [`NotUuid`], as Python's `ValueError`.
pub(crate) fn uuid_from_str(text: &str) -> Result<Uuid, NotUuid> {
    if text.len() == 36
        && let Ok(uuid) = Uuid::try_parse(text)
    {
        return Ok(uuid);
    }
    let text = text.replace("urn:", "").replace("uuid:", "");
    let digits = text.trim_matches(['{', '}']).replace('-', "");
    if digits.chars().count() != 32 {
        return Err(NotUuid);
    }
    from_int(&hex_from_str(&digits).map_err(|_| NotUuid)?)
}

fn from_int(number: &BigInt) -> Result<Uuid, NotUuid> {
    u128::try_from(number).map(Uuid::from_u128).map_err(|_| NotUuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONES: &str = "11111111-1111-1111-1111-111111111111";

    fn reads(text: &str) -> Option<String> {
        uuid_from_str(text).ok().map(|uuid| uuid.hyphenated().to_string())
    }

    #[test]
    fn every_form_that_python_takes_is_taken() {
        for text in [
            ONES,
            "11111111111111111111111111111111",
            "{11111111111111111111111111111111}",
            "}11111111-1111-1111-1111-111111111111",
            "urn:uuid:11111111111111111111111111111111",
            "1uuid:1111111111111111111111111111111",
            "1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
            "\u{661}\u{661}111111111111111111111111111111",
        ] {
            assert_eq!(reads(text).as_deref(), Some(ONES), "{text}");
        }
        assert_eq!(reads("--AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap(), "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
        assert_eq!(reads("0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap(), "00aaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
        assert_eq!(reads("  111111111111111111111111111111").unwrap(), "00111111-1111-1111-1111-111111111111");
        assert_eq!(reads("+1111111111111111111111111111111").unwrap(), "01111111-1111-1111-1111-111111111111");
        assert_eq!(reads("0x_11111111111111111111111111111").unwrap(), "00011111-1111-1111-1111-111111111111");
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "",
            "abc",
            "1_1_1_1_1_1_1_1_1_1_1_1_1_1_1_1_",
            "0_x11111111111111111111111111111",
            "ururn:n:11111111111111111111111111111111",
            "g1111111111111111111111111111111",
            "111111111111111111111111111111111",
        ] {
            assert_eq!(reads(text), None, "{text}");
        }
    }

    #[test]
    fn integers_are_128_bit_values() {
        assert_eq!(uuid(&Value::Int(1)), Ok(Uuid::from_u128(1)));
        assert_eq!(uuid(&Value::Bool(true)), Ok(Uuid::from_u128(1)));
        assert_eq!(uuid(&Value::Int(-1)), Err(NotUuid));
        assert_eq!(uuid(&Value::BigInt(BigInt::from(u128::MAX))), Ok(Uuid::from_u128(u128::MAX)));
        assert_eq!(uuid(&Value::BigInt(BigInt::from(u128::MAX) + 1)), Err(NotUuid));
        assert_eq!(uuid(&Value::Float(1.0)), Err(NotUuid));
    }
}
