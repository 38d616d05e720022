//! `int()`.

use num_bigint::{BigInt, Sign};

use super::{Value, digits};

/// `sys.get_int_max_str_digits()`: more digits are refused, leading zeros included.
pub(super) const MAX_STR_DIGITS: usize = 4300;

/// Why `int()` raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IntError {
    /// `ValueError`: no number, or over 4300 digits; also NaN.
    #[error("not a number as int() reads it")]
    Value,
    /// `OverflowError`: an infinity.
    #[error("cannot convert float infinity to integer")]
    Overflow,
    /// `TypeError`: a value of another type.
    #[error("int() argument must be a string, a bytes-like object or a real number")]
    Type,
}

/// `int(value)`: [`Value::Int`] or [`Value::BigInt`].
///
/// # Errors
///
/// What Python would raise.
pub(crate) fn int(value: &Value) -> Result<Value, IntError> {
    match value {
        Value::Bool(flag) => Ok(Value::Int(i64::from(*flag))),
        Value::Int(_) | Value::BigInt(_) => Ok(value.clone()),
        Value::Float(float) => int_from_float(*float),
        Value::Str(text) => int_from_str(text),
        Value::LoneSurrogates => Err(IntError::Value),
        Value::Bytes(bytes) => int_from_bytes(bytes),
        // UUID has __int__.
        Value::Uuid(uuid) => Ok(BigInt::from(uuid.as_u128()).into()),
        Value::None | Value::List(_) | Value::Dict(_) => Err(IntError::Type),
    }
}

/// `int(text)`: optional sign, white space around, single `_` between digits, any Unicode decimal digits.
///
/// # Errors
///
/// [`IntError::Value`].
pub(crate) fn int_from_str(text: &str) -> Result<Value, IntError> {
    if text.is_ascii() { int_from_bytes(text.as_bytes()) } else { int_from_bytes(&digits::to_ascii(text)) }
}

/// `int(bytes)`: the same rules, in ASCII.
///
/// # Errors
///
/// [`IntError::Value`].
pub(crate) fn int_from_bytes(bytes: &[u8]) -> Result<Value, IntError> {
    let (negative, digits) = split_sign(trim(bytes));
    // The usual case: no underscores, fits 64 bits for certain.
    if (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        let number = digits.iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        return Ok(Value::Int(if negative { -number } else { number }));
    }
    let plain = without_underscores(digits, 10)?;
    if plain.len() > MAX_STR_DIGITS {
        return Err(IntError::Value);
    }
    signed(negative, &plain, 10).map(Value::from)
}

/// `int(text, 16)`: the rules of [`int_from_str`], an optional `0x`, and no limit.
///
/// # Errors
///
/// [`IntError::Value`].
pub(super) fn hex_from_str(text: &str) -> Result<BigInt, IntError> {
    let ascii = digits::to_ascii(text);
    let (negative, mut digits) = split_sign(trim(&ascii));
    if let [b'0', b'x' | b'X', rest @ ..] = digits {
        digits = rest.strip_prefix(b"_").unwrap_or(rest);
    }
    signed(negative, &without_underscores(digits, 16)?, 16)
}

/// `int(float)`: truncated.
///
/// # Errors
///
/// [`IntError::Value`] for NaN, [`IntError::Overflow`] for an infinity.
pub(crate) fn int_from_float(float: f64) -> Result<Value, IntError> {
    if float.is_nan() {
        return Err(IntError::Value);
    }
    if float.is_infinite() {
        return Err(IntError::Overflow);
    }
    let bits = float.abs().to_bits();
    let exponent = i64::try_from(bits >> 52).map_err(|_| IntError::Value)? - 1075;
    if exponent < -53 {
        return Ok(Value::Int(0));
    }
    let mantissa = BigInt::from((bits & ((1 << 52) - 1)) | (1 << 52));
    let magnitude = if exponent >= 0 { mantissa << exponent } else { mantissa >> -exponent };
    Ok(if float < 0.0 { -magnitude } else { magnitude }.into())
}

/// Without C's `isspace` at both ends.
fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

fn split_sign(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, bytes.strip_prefix(b"+").unwrap_or(bytes)),
    }
}

/// The digits alone; an underscore must stand between two of them.
fn without_underscores(digits: &[u8], radix: u32) -> Result<Vec<u8>, IntError> {
    let mut plain = Vec::with_capacity(digits.len().min(MAX_STR_DIGITS + 1));
    let mut after_digit = false;
    for &byte in digits {
        if char::from(byte).is_digit(radix) {
            plain.push(byte);
            after_digit = true;
        } else if byte == b'_' && after_digit {
            after_digit = false;
        } else {
            return Err(IntError::Value);
        }
    }
    if after_digit { Ok(plain) } else { Err(IntError::Value) }
}

fn signed(negative: bool, digits: &[u8], radix: u32) -> Result<BigInt, IntError> {
    let number = BigInt::parse_bytes(digits, radix).ok_or(IntError::Value)?;
    Ok(if negative && number.sign() != Sign::NoSign { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str) -> Option<String> {
        match int_from_str(text) {
            Ok(Value::Int(number)) => Some(number.to_string()),
            Ok(Value::BigInt(number)) => {
                assert!(i64::try_from(&number).is_err(), "{text} fits 64 bits");
                Some(number.to_string())
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error, IntError::Value);
                None
            }
        }
    }

    #[test]
    fn text_reads_as_in_python() {
        for (text, number) in [
            ("1", "1"),
            ("01", "1"),
            ("+7", "7"),
            ("-0", "0"),
            ("-0_0", "0"),
            ("1_000", "1000"),
            (" \t\n\r\x0b\x0c1 ", "1"),
            ("1\u{85}", "1"),
            ("\u{3000}1\u{2028}", "1"),
            ("\u{661}\u{662}", "12"),
            ("1\u{661}_\u{662}", "112"),
            ("+\u{661}", "1"),
            ("\u{ff11}", "1"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775808", "9223372036854775808"),
            ("000000000000000000000000000000000000000001", "1"),
        ] {
            assert_eq!(reads(text).as_deref(), Some(number), "{text:?}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "",
            " ",
            "+",
            "-",
            "+ 1",
            "++1",
            "-+1",
            "1__0",
            "_1",
            "1_",
            "0x10",
            "1.0",
            "1e0",
            "abc",
            "1 2",
            "1\0",
            "\x1c1",
            "1\x1c\u{3000}",
            "\x1f1",
            "\u{180e}1",
            "\u{feff}1",
            "\u{2212}1",
            "½",
            "1\u{301}",
            "\x7f1",
        ] {
            assert_eq!(reads(text), None, "{text:?}");
        }
    }

    #[test]
    fn at_most_4300_digits_are_read_zeros_included_and_underscores_not() {
        assert!(reads(&"1".repeat(4300)).is_some());
        assert!(reads(&format!("-{}", "1".repeat(4300))).is_some());
        assert!(reads("1_".repeat(4300).trim_end_matches('_')).is_some());
        assert_eq!(reads(&"1".repeat(4301)), None);
        assert_eq!(reads(&"0".repeat(4301)), None);
        assert_eq!(reads(&"\u{661}".repeat(4301)), None);
    }

    #[test]
    fn bytes_are_read_in_ascii_only() {
        assert_eq!(int_from_bytes(b" 12\n"), Ok(Value::Int(12)));
        assert_eq!(int_from_bytes("\u{661}".as_bytes()), Err(IntError::Value));
        assert_eq!(int_from_bytes(b"1\x85"), Err(IntError::Value));
    }

    #[test]
    fn floats_are_truncated() {
        for (float, number) in [
            (0.0, "0"),
            (-0.9, "0"),
            (1.0, "1"),
            (1.9, "1"),
            (-1.9, "-1"),
            (0.999_999_999_999_999_9, "0"),
            (5e-324, "0"),
            (4_503_599_627_370_495.5, "4503599627370495"),
            (9.223_372_036_854_776e18, "9223372036854775808"),
            (-9.223_372_036_854_776e18, "-9223372036854775808"),
            (1e30, "1000000000000000019884624838656"),
        ] {
            let text = match int_from_float(float) {
                Ok(Value::Int(number)) => number.to_string(),
                Ok(Value::BigInt(number)) => number.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(text, number, "{float}");
        }
        assert_eq!(int_from_float(f64::NAN), Err(IntError::Value));
        assert_eq!(int_from_float(f64::NEG_INFINITY), Err(IntError::Overflow));
    }

    #[test]
    fn other_values_convert_as_in_python() {
        assert_eq!(int(&Value::Bool(true)), Ok(Value::Int(1)));
        assert_eq!(int(&Value::None), Err(IntError::Type));
        assert_eq!(int(&Value::List(vec![])), Err(IntError::Type));
        assert_eq!(int(&Value::Dict(vec![])), Err(IntError::Type));
        assert_eq!(int(&Value::LoneSurrogates), Err(IntError::Value));
        assert_eq!(int(&Value::Str(String::new())), Err(IntError::Value));
    }

    proptest! {
        #[test]
        fn every_number_reads_back(number: i64, spaces in "[ \t\n]{0,3}") {
            prop_assert_eq!(int_from_str(&format!("{spaces}{number}{spaces}")), Ok(Value::Int(number)));
        }

        #[test]
        fn every_wide_number_reads_back(number: i128) {
            prop_assert_eq!(int_from_str(&number.to_string()), Ok(Value::from(BigInt::from(number))));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = int_from_str(&text);
            let _ = hex_from_str(&text);
        }

        #[test]
        fn a_float_within_64_bits_truncates_as_the_processor_does(float in -9.2e18_f64..9.2e18) {
            #[expect(clippy::cast_possible_truncation, reason = "in range, and truncation is the point")]
            let truncated = float as i64;
            prop_assert_eq!(int_from_float(float), Ok(Value::Int(truncated)));
        }
    }
}
