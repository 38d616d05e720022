//! `msgpack` of one plain value, as `msgpack.dumps` writes it and `msgpack.loads(raw=False)` reads it (msgpack 1.1).

use num_bigint::BigInt;

use crate::python::Value;

/// `msgpack.dumps(value)`; `None` where it raises (a UUID), and for lists and dicts, which are no user's id.
///
/// Integers are not written: django-redis stores them as text.
pub(crate) fn dumps(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::None => Some(vec![0xc0]),
        Value::Bool(flag) => Some(vec![0xc2 + u8::from(*flag)]),
        Value::Float(number) => Some([&[0xcb][..], &number.to_be_bytes()].concat()),
        Value::Str(text) => with_length(text.as_bytes(), 0xd9, text.len() < 32),
        Value::Bytes(bytes) => with_length(bytes, 0xc4, false),
        Value::Int(_) | Value::BigInt(_) | Value::LoneSurrogates | Value::Uuid(_) | Value::List(_) | Value::Dict(_) => {
            None
        }
    }
}

/// `bytes` after the shortest head: one byte for short texts, else `code` or its two successors with the length.
fn with_length(bytes: &[u8], code: u8, short: bool) -> Option<Vec<u8>> {
    let mut packed = match u32::try_from(bytes.len()).ok()? {
        length @ 0..32 if short => vec![0xa0 | u8::try_from(length).ok()?],
        length @ 0..0x100 => vec![code, u8::try_from(length).ok()?],
        length @ 0x100..0x1_0000 => [&[code + 1][..], &u16::try_from(length).ok()?.to_be_bytes()].concat(),
        length => [&[code + 2][..], &length.to_be_bytes()].concat(),
    };
    packed.extend(bytes);
    Some(packed)
}

/// `msgpack.loads(bytes, raw=False)`; `None` where it raises (bytes that follow, too), and for arrays, maps and
/// extensions, which are no user's id.
pub(crate) fn loads(bytes: &[u8]) -> Option<Value> {
    let (&code, rest) = bytes.split_first()?;
    let (value, rest) = match code {
        0x00..=0x7f => (Value::Int(code.into()), rest),
        0xe0..=0xff => (Value::Int(i8::from_be_bytes([code]).into()), rest),
        0xa0..=0xbf => text(rest, usize::from(code & 0x1f))?,
        0xc0 => (Value::None, rest),
        0xc2 | 0xc3 => (Value::Bool(code == 0xc3), rest),
        0xc4 => array(rest).and_then(|(length, rest)| raw(rest, u8::from_be_bytes(length).into()))?,
        0xc5 => array(rest).and_then(|(length, rest)| raw(rest, u16::from_be_bytes(length).into()))?,
        0xc6 => array(rest).and_then(|(length, rest)| raw(rest, usize::try_from(u32::from_be_bytes(length)).ok()?))?,
        0xca => array(rest).map(|(number, rest)| (Value::Float(f32::from_be_bytes(number).into()), rest))?,
        0xcb => array(rest).map(|(number, rest)| (Value::Float(f64::from_be_bytes(number)), rest))?,
        0xcc => array(rest).map(|(number, rest)| (Value::Int(u8::from_be_bytes(number).into()), rest))?,
        0xcd => array(rest).map(|(number, rest)| (Value::Int(u16::from_be_bytes(number).into()), rest))?,
        0xce => array(rest).map(|(number, rest)| (Value::Int(u32::from_be_bytes(number).into()), rest))?,
        0xcf => array(rest).map(|(number, rest)| (BigInt::from(u64::from_be_bytes(number)).into(), rest))?,
        0xd0 => array(rest).map(|(number, rest)| (Value::Int(i8::from_be_bytes(number).into()), rest))?,
        0xd1 => array(rest).map(|(number, rest)| (Value::Int(i16::from_be_bytes(number).into()), rest))?,
        0xd2 => array(rest).map(|(number, rest)| (Value::Int(i32::from_be_bytes(number).into()), rest))?,
        0xd3 => array(rest).map(|(number, rest)| (Value::Int(i64::from_be_bytes(number)), rest))?,
        0xd9 => array(rest).and_then(|(length, rest)| text(rest, u8::from_be_bytes(length).into()))?,
        0xda => array(rest).and_then(|(length, rest)| text(rest, u16::from_be_bytes(length).into()))?,
        0xdb => array(rest).and_then(|(length, rest)| text(rest, usize::try_from(u32::from_be_bytes(length)).ok()?))?,
        _ => return None,
    };
    rest.is_empty().then_some(value)
}

fn array<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(array, rest)| (*array, rest))
}

fn text(bytes: &[u8], length: usize) -> Option<(Value, &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((Value::Str(String::from_utf8(text.to_vec()).ok()?), rest))
}

fn raw(bytes: &[u8], length: usize) -> Option<(Value, &[u8])> {
    let (raw, rest) = bytes.split_at_checked(length)?;
    Some((Value::Bytes(raw.to_vec()), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{dumps, loads};
    use crate::python::Value;

    #[test]
    fn the_shortest_head_is_written() {
        let head = |length: usize| dumps(&Value::Str("a".repeat(length))).map(|bytes| bytes[..3].to_vec());
        assert_eq!(head(31), Some(vec![0xbf, b'a', b'a']));
        assert_eq!(head(32), Some(vec![0xd9, 32, b'a']));
        assert_eq!(head(255), Some(vec![0xd9, 255, b'a']));
        assert_eq!(head(256), Some(vec![0xda, 1, 0]));
        assert_eq!(head(65_536), Some(vec![0xdb, 0, 1]));
        assert_eq!(dumps(&Value::Bytes(vec![7])), Some(vec![0xc4, 1, 7]));
    }

    #[test]
    fn every_width_of_integer_is_read() {
        assert_eq!(loads(&[0x7f]), Some(Value::Int(127)));
        assert_eq!(loads(&[0xff]), Some(Value::Int(-1)));
        assert_eq!(loads(&[0xcd, 1, 0]), Some(Value::Int(256)));
        assert_eq!(loads(&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), Some(Value::Int(-2)));
        let largest = loads(&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(largest, Some(Value::BigInt(u64::MAX.into())));
    }

    #[test]
    fn arrays_maps_extensions_and_bytes_that_follow_are_refused() {
        for bytes in [&[0x90][..], &[0x80], &[0xd4, 1, 2], &[0xc1], &[0x01, 0x02], &[], &[0xdb, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(loads(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_reads_back(text in ".{0,300}", float in -1e9..1e9, bytes: Vec<u8>) {
            for value in [Value::Str(text), Value::Float(float), Value::Bytes(bytes), Value::Bool(true), Value::None] {
                let packed = dumps(&value);
                prop_assert_eq!(packed.and_then(|bytes| loads(&bytes)), Some(value));
            }
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes: Vec<u8>) {
            let _ = loads(&bytes);
        }
    }
}
