//! msgpack as `msgpack.packb` writes it and `msgpack.unpackb` reads it (msgpack 1.2).

use super::value::{Value, last_of_each_key};

/// Containers within one another that `packb` and `unpackb` take.
const MAX_DEPTH: usize = 1024;

/// No value of msgpack as Python reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotMsgpack;

fn write_nested(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("containers so deep within one another");
    }
    match value {
        Value::Nil => out.push(0xc0),
        Value::Bool(flag) => out.push(0xc2 + u8::from(*flag)),
        Value::Int(number) => write_int(out, *number)?,
        Value::Float(number) => {
            out.push(0xcb);
            out.extend(number.to_be_bytes());
        }
        Value::Str(text) => write_str(out, text)?,
        Value::Bytes(bytes) => {
            write_length(out, bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)])?;
            out.extend(bytes);
        }
        Value::Array(items) => {
            write_array_head(out, items.len())?;
            for item in items {
                write_nested(out, item, depth + 1)?;
            }
        }
        Value::Map(entries) => {
            write_map_head(out, entries.len())?;
            write_entries(out, entries, depth)?;
        }
        Value::Ext(code, data) => {
            match data.len() {
                1 => out.push(0xd4),
                2 => out.push(0xd5),
                4 => out.push(0xd6),
                8 => out.push(0xd7),
                16 => out.push(0xd8),
                length => write_length(out, length, None, [Some(0xc7), Some(0xc8), Some(0xc9)])?,
            }
            out.extend(code.to_be_bytes());
            out.extend(data);
        }
        Value::LoneSurrogates => return Err("text with lone surrogates"),
    }
    Ok(())
}

/// Appends the entries of a map whose head stands already.
///
/// # Errors
///
/// What `packb` raises on, by name; and keys that Python would write but not read.
pub(super) fn write_entries(out: &mut Vec<u8>, entries: &[(Value, Value)], depth: usize) -> Result<(), &'static str> {
    for (key, value) in entries {
        if !matches!(key, Value::Str(_) | Value::Bytes(_)) {
            return Err("a key that is neither text nor bytes");
        }
        write_nested(out, key, depth + 1)?;
        write_nested(out, value, depth + 1)?;
    }
    Ok(())
}

pub(super) fn write_map_head(out: &mut Vec<u8>, length: usize) -> Result<(), &'static str> {
    write_length(out, length, Some((0x80, 16)), [None, Some(0xde), Some(0xdf)])
}

pub(super) fn write_array_head(out: &mut Vec<u8>, length: usize) -> Result<(), &'static str> {
    write_length(out, length, Some((0x90, 16)), [None, Some(0xdc), Some(0xdd)])
}

pub(super) fn write_str(out: &mut Vec<u8>, text: &str) -> Result<(), &'static str> {
    write_length(out, text.len(), Some((0xa0, 32)), [Some(0xd9), Some(0xda), Some(0xdb)])?;
    out.extend(text.as_bytes());
    Ok(())
}

/// The shortest head: `short` has the length in its low bits, up to a limit; `codes` are those for 8, 16 and 32 bits.
fn write_length(
    out: &mut Vec<u8>,
    length: usize,
    short: Option<(u8, u8)>,
    codes: [Option<u8>; 3],
) -> Result<(), &'static str> {
    if let (Some((code, limit)), Ok(length)) = (short, u8::try_from(length))
        && length < limit
    {
        out.push(code | length);
    } else if let (Some(code), Ok(length)) = (codes[0], u8::try_from(length)) {
        out.extend([code, length]);
    } else if let (Some(code), Ok(length)) = (codes[1], u16::try_from(length)) {
        out.push(code);
        out.extend(length.to_be_bytes());
    } else if let (Some(code), Ok(length)) = (codes[2], u32::try_from(length)) {
        out.push(code);
        out.extend(length.to_be_bytes());
    } else {
        return Err("4 GiB and more");
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "each range fits its form")]
fn write_int(out: &mut Vec<u8>, number: i128) -> Result<(), &'static str> {
    const MIN: i128 = i64::MIN as i128;
    const MAX: i128 = u64::MAX as i128;
    match number {
        0..0x80 => out.push(number as u8),
        -32..0 => out.push(number as i8 as u8),
        0x80..0x100 => out.extend([0xcc, number as u8]),
        0x100..0x1_0000 => {
            out.push(0xcd);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(0xce);
            out.extend((number as u32).to_be_bytes());
        }
        0x1_0000_0000..=MAX => {
            out.push(0xcf);
            out.extend((number as u64).to_be_bytes());
        }
        -0x80..-32 => out.extend([0xd0, number as i8 as u8]),
        -0x8000..-0x80 => {
            out.push(0xd1);
            out.extend((number as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            out.push(0xd2);
            out.extend((number as i32).to_be_bytes());
        }
        MIN..-0x8000_0000 => {
            out.push(0xd3);
            out.extend((number as i64).to_be_bytes());
        }
        _ => return Err("an integer beyond 64 bits"),
    }
    Ok(())
}

/// A container that is not complete yet, and how many items or entries it lacks.
enum Open {
    Array(Vec<Value>, usize),
    Map(Vec<(Value, Value)>, usize, Option<Value>),
}

/// What is read next: a value, or a container that now begins.
enum Read {
    Value(Value),
    Open(Open),
}

/// The value that `bytes` are, all of them.
///
/// # Errors
///
/// Where `unpackb` raises.
pub(super) fn read(bytes: &[u8]) -> Result<Value, NotMsgpack> {
    let mut reader = Reader { rest: bytes };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut value = match reader.next()? {
            Read::Value(value) => value,
            Read::Open(_) if open.len() == MAX_DEPTH => return Err(NotMsgpack),
            Read::Open(container) => {
                open.push(container);
                continue;
            }
        };
        loop {
            match open.last_mut() {
                None if reader.rest.is_empty() => return Ok(value),
                None => return Err(NotMsgpack),
                Some(Open::Array(items, lacking)) => {
                    items.push(value);
                    *lacking -= 1;
                    if *lacking > 0 {
                        break;
                    }
                }
                Some(Open::Map(_, _, key @ None)) => {
                    if !matches!(value, Value::Str(_) | Value::Bytes(_)) {
                        return Err(NotMsgpack);
                    }
                    *key = Some(value);
                    break;
                }
                Some(Open::Map(entries, lacking, key)) => {
                    entries.extend(key.take().map(|key| (key, value)));
                    *lacking -= 1;
                    if *lacking > 0 {
                        break;
                    }
                }
            }
            value = match open.pop() {
                Some(Open::Array(items, _)) => Value::Array(items),
                Some(Open::Map(entries, ..)) => Value::Map(last_of_each_key(entries)),
                None => return Err(NotMsgpack),
            };
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Read, NotMsgpack> {
        let [code] = self.array()?;
        let value = match code {
            0x00..=0x7f => Value::Int(code.into()),
            0xe0..=0xff => Value::Int(i8::from_be_bytes([code]).into()),
            0x80..=0x8f => return Ok(self.map((code & 0x0f).into())),
            0x90..=0x9f => return Ok(self.items((code & 0x0f).into())),
            0xa0..=0xbf => self.text(usize::from(code & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 | 0xc3 => Value::Bool(code == 0xc3),
            0xc4..=0xc6 => {
                let length = self.length(code - 0xc4)?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            0xc7..=0xc9 => {
                let length = self.length(code - 0xc7)?;
                self.extension(length)?
            }
            0xca => Value::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Int(u8::from_be_bytes(self.array()?).into()),
            0xcd => Value::Int(u16::from_be_bytes(self.array()?).into()),
            0xce => Value::Int(u32::from_be_bytes(self.array()?).into()),
            0xcf => Value::Int(u64::from_be_bytes(self.array()?).into()),
            0xd0 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Value::Int(i64::from_be_bytes(self.array()?).into()),
            0xd4..=0xd8 => self.extension(1 << (code - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(code - 0xd9)?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let length = self.length(code - 0xdc + 1)?;
                return Ok(self.items(length));
            }
            0xde | 0xdf => {
                let length = self.length(code - 0xde + 1)?;
                return Ok(self.map(length));
            }
            0xc1 => return Err(NotMsgpack),
        };
        Ok(Read::Value(value))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], NotMsgpack> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(NotMsgpack)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotMsgpack> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(NotMsgpack)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A length of 8, 16 or 32 bits.
    fn length(&mut self, width: u8) -> Result<usize, NotMsgpack> {
        match width {
            0 => Ok(u8::from_be_bytes(self.array()?).into()),
            1 => Ok(u16::from_be_bytes(self.array()?).into()),
            _ => usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| NotMsgpack),
        }
    }

    fn text(&mut self, length: usize) -> Result<Value, NotMsgpack> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| NotMsgpack)?;
        Ok(Value::Str(text.to_owned()))
    }

    fn extension(&mut self, length: usize) -> Result<Value, NotMsgpack> {
        let code = i8::from_be_bytes(self.array()?);
        let data = self.take(length)?;
        if code == -1 && !is_timestamp(data) {
            return Err(NotMsgpack);
        }
        Ok(Value::Ext(code, data.to_vec()))
    }

    fn items(&self, length: usize) -> Read {
        match length {
            0 => Read::Value(Value::Array(Vec::new())),
            // No more memory than what follows can fill.
            _ => Read::Open(Open::Array(Vec::with_capacity(length.min(self.rest.len()).min(1024)), length)),
        }
    }

    fn map(&self, length: usize) -> Read {
        match length {
            0 => Read::Value(Value::Map(Vec::new())),
            _ => Read::Open(Open::Map(Vec::with_capacity(length.min(self.rest.len() / 2).min(1024)), length, None)),
        }
    }
}

/// What `msgpack.Timestamp.from_bytes` takes.
fn is_timestamp(data: &[u8]) -> bool {
    const BILLION: u64 = 1_000_000_000;
    match (data.len(), data.first_chunk::<4>(), data.first_chunk::<8>()) {
        (4, ..) => true,
        (8, _, Some(both)) => u64::from_be_bytes(*both) >> 34 < BILLION,
        (12, Some(nanoseconds), _) => u64::from(u32::from_be_bytes(*nanoseconds)) < BILLION,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write_nested(&mut out, value, 0).unwrap();
        out
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn extensions_and_timestamps_are_read_as_python_does() {
        for (hex, value) in [
            ("d6ff00000001", Some(Value::Ext(-1, vec![0, 0, 0, 1]))),
            ("d7ff0000000000000001", Some(Value::Ext(-1, vec![0, 0, 0, 0, 0, 0, 0, 1]))),
            ("c70cff000000010000000000000001", Some(Value::Ext(-1, vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]))),
            ("c70305616263", Some(Value::Ext(5, b"abc".to_vec()))),
            ("d4ff01", None),
            ("c705ff0000000000", None),
            ("d7ffffffffff00000001", None),
        ] {
            assert_eq!(read(&unhex(hex)).ok(), value, "{hex}");
            assert!(value.is_none_or(|value| packed(&value) == unhex(hex)), "{hex}");
        }
    }

    #[test]
    fn what_python_cannot_read_is_refused() {
        for hex in ["", "c1", "81a161", "81c2a161", "81c0c0", "80c0", "8101a161", "92c0", "dd7fffffff", "a2c3"] {
            assert_eq!(read(&unhex(hex)), Err(NotMsgpack), "{hex}");
        }
        assert_eq!(read(&unhex("81c401610a")).unwrap(), Value::Map(vec![(Value::Bytes(b"a".to_vec()), 10.into())]));
        assert_eq!(read(&unhex("82a16101a16102")).unwrap(), Value::map([("a", 2.into())]));
    }

    #[test]
    fn containers_are_as_deep_as_in_python() {
        let nested = |depth| (0..depth).fold(Value::Nil, |value, _| Value::Array(vec![value]));
        assert!(write_nested(&mut Vec::new(), &nested(1024), 0).is_ok());
        assert!(write_nested(&mut Vec::new(), &nested(1025), 0).is_err());
        let bytes = |depth| [vec![0x91; depth], vec![0]].concat();
        assert!(read(&bytes(1024)).is_ok() && read(&bytes(1025)).is_err());
    }

    #[test]
    fn integers_beyond_64_bits_and_other_keys_cannot_be_written() {
        for value in [
            Value::Int(1 << 64),
            Value::Int(-(1 << 63) - 1),
            Value::Map(vec![(1.into(), 1.into())]),
            Value::LoneSurrogates,
        ] {
            assert!(write_nested(&mut Vec::new(), &value, 0).is_err(), "{value:?}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            (i128::from(i64::MIN)..=i128::from(u64::MAX)).prop_map(Value::Int),
            (-70_000_i128..70_000).prop_map(Value::Int),
            any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Float),
            ".{0,40}".prop_map(Value::Str),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
                proptest::collection::btree_map(".{0,8}", inner, 0..20).prop_map(Value::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_reads_back(value in any_value()) {
            prop_assert_eq!(read(&packed(&value)), Ok(value));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
