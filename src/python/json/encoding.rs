//! From the bytes of a JSON document to text, as `json.loads(bytes)` does it.

use std::borrow::Cow;

/// The bytes are not text in the encoding that they start like (`UnicodeDecodeError`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotText;

/// Which encoding the document is in. Matches CPython 3.11, `Lib/json/__init__.py`, `detect_encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big_endian: bool },
    Utf32 { big_endian: bool },
}

fn detect(bytes: &[u8]) -> (Encoding, usize) {
    use Encoding::{Utf8, Utf16, Utf32};
    match bytes {
        [0, 0, 0xfe, 0xff, ..] => (Utf32 { big_endian: true }, 4),
        [0xff, 0xfe, 0, 0, ..] => (Utf32 { big_endian: false }, 4),
        [0xfe, 0xff, ..] => (Utf16 { big_endian: true }, 2),
        [0xff, 0xfe, ..] => (Utf16 { big_endian: false }, 2),
        [0xef, 0xbb, 0xbf, ..] => (Utf8, 3),
        [0, 0, _, _, ..] => (Utf32 { big_endian: true }, 0),
        [0, _, _, _, ..] | [0, _] => (Utf16 { big_endian: true }, 0),
        [_, 0, 0, 0, ..] => (Utf32 { big_endian: false }, 0),
        [_, 0, _, _, ..] | [_, 0] => (Utf16 { big_endian: false }, 0),
        _ => (Utf8, 0),
    }
}

/// The text as UTF-8, in which a lone surrogate is written like any other code point (three bytes, `ED A0..BF xx`).
/// Matches `bytes.decode(detect_encoding(bytes), "surrogatepass")`.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, [u8]>, NotText> {
    let (encoding, mark) = detect(bytes);
    let bytes = &bytes[mark..];
    match encoding {
        Encoding::Utf8 => utf_8(bytes).map(|()| Cow::Borrowed(bytes)),
        Encoding::Utf16 { big_endian } => utf_16(bytes, big_endian).map(Cow::Owned),
        Encoding::Utf32 { big_endian } => utf_32(bytes, big_endian).map(Cow::Owned),
    }
}

fn utf_8(mut bytes: &[u8]) -> Result<(), NotText> {
    while let Err(error) = std::str::from_utf8(bytes) {
        let rest = &bytes[error.valid_up_to()..];
        match rest {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => bytes = &rest[3..],
            _ => return Err(NotText),
        }
    }
    Ok(())
}

fn utf_16(bytes: &[u8], big_endian: bool) -> Result<Vec<u8>, NotText> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NotText);
    }
    let units = units.iter().map(|&unit| if big_endian { u16::from_be_bytes(unit) } else { u16::from_le_bytes(unit) });
    let mut text = Vec::with_capacity(bytes.len());
    for unit in char::decode_utf16(units) {
        push(&mut text, unit.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))?;
    }
    Ok(text)
}

fn utf_32(bytes: &[u8], big_endian: bool) -> Result<Vec<u8>, NotText> {
    let (units, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(NotText);
    }
    let mut text = Vec::with_capacity(bytes.len() / 2);
    for &unit in units {
        push(&mut text, if big_endian { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) })?;
    }
    Ok(text)
}

/// Appends a code point, surrogates included.
pub(super) fn push(text: &mut Vec<u8>, code: u32) -> Result<(), NotText> {
    if let Some(c) = char::from_u32(code) {
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(());
    }
    if !(0xd800..0xe000).contains(&code) {
        return Err(NotText);
    }
    let low_six = |code: u32| 0x80 | u8::try_from(code & 0x3f).unwrap_or(0);
    text.extend_from_slice(&[0xed, low_six(code >> 6), low_six(code)]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|u| if big_endian { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    }

    fn utf32(text: &str, big_endian: bool) -> Vec<u8> {
        text.chars()
            .flat_map(|c| if big_endian { u32::from(c).to_be_bytes() } else { u32::from(c).to_le_bytes() })
            .collect()
    }

    #[test]
    fn the_six_encodings_are_told_apart() {
        let text = r#"{"a":"é😀"}"#;
        for big_endian in [false, true] {
            assert_eq!(decode(&utf16(text, big_endian)).unwrap(), text.as_bytes());
            assert_eq!(decode(&utf32(text, big_endian)).unwrap(), text.as_bytes());
            assert_eq!(decode(&utf16(&format!("\u{feff}{text}"), big_endian)).unwrap(), text.as_bytes());
            assert_eq!(decode(&utf32(&format!("\u{feff}{text}"), big_endian)).unwrap(), text.as_bytes());
        }
        assert_eq!(decode(text.as_bytes()).unwrap(), text.as_bytes());
        assert_eq!(decode(format!("\u{feff}{text}").as_bytes()).unwrap(), text.as_bytes());
    }

    #[test]
    fn short_documents_are_told_apart_too() {
        assert_eq!(decode(b"1").unwrap(), &b"1"[..]);
        assert_eq!(decode(b"1\0").unwrap(), &b"1"[..]);
        assert_eq!(decode(b"\x001").unwrap(), &b"1"[..]);
        assert_eq!(decode(b"1\x002").unwrap(), &b"1\x002"[..]);
        assert_eq!(decode(b"").unwrap(), &b""[..]);
    }

    #[test]
    fn lone_surrogates_pass_in_every_encoding() {
        let lone = b"\"\xed\xa0\x80\"";
        assert_eq!(decode(lone).unwrap(), &lone[..]);
        assert_eq!(decode(b"\"\0\x00\xd8\"\0").unwrap(), &lone[..]);
        assert_eq!(decode(b"\"\0\0\0\x00\xd8\0\0\"\0\0\0").unwrap(), &lone[..]);
    }

    #[test]
    fn broken_text_is_refused() {
        for bytes in [&b"{\xff}"[..], b"\"\xc3\"", b"{\0}\0a", b"1\0\0\0\0\0\x11\0", b"\xed\xa0"] {
            assert_eq!(decode(bytes), Err(NotText), "{bytes:?}");
        }
    }
}
