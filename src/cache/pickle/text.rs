//! The texts of protocol 0.

use num_bigint::{BigInt, Sign};

use super::Refused;
use crate::python::Value;

/// `sys.get_int_max_str_digits()`: longer decimal texts are a `ValueError` in Python.
const MAX_DIGITS: usize = 4300;

/// Digits with an optional sign, as the pickler writes them.
pub(super) fn decimal(text: &[u8]) -> Result<Value, Refused> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (Sign::Minus, digits),
        digits => (Sign::Plus, digits),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refused);
    }
    let number = BigInt::parse_bytes(digits, 10).ok_or(Refused)?;
    Ok(if sign == Sign::Minus { -number } else { number }.into())
}

/// `bytes.decode("raw-unicode-escape")`: Latin-1, but for `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn unescaped(line: &[u8]) -> Result<String, Refused> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        text.push(char::from(*first));
        if *first != b'\\' {
            continue;
        }
        let Some((kind, after)) = rest.split_first() else {
            continue;
        };
        rest = after;
        let digits = match kind {
            b'u' => 4,
            b'U' => 8,
            other => {
                text.push(char::from(*other));
                continue;
            }
        };
        let (digits, after) = rest.split_at_checked(digits).ok_or(Refused)?;
        rest = after;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Refused);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| Refused)?;
        let code = u32::from_str_radix(digits, 16).map_err(|_| Refused)?;
        text.pop();
        // A lone surrogate is a text that no database takes.
        text.push(char::from_u32(code).ok_or(Refused)?);
    }
    Ok(text)
}
