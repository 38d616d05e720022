//! `urllib.parse.parse_qsl` and `unquote`.

use std::borrow::Cow;

/// `parse_qsl(query.decode("utf-8"))`, as django-channels-jwt's middleware reads a WebSocket's query string.
///
/// Parts are split on `&` and on their first `=`; parts without a value are dropped. `dict()` of the result keeps
/// the last of each name. `None` if the bytes are not UTF-8, which raises there.
pub(crate) fn parse_qsl(query: &[u8]) -> Option<Vec<(String, String)>> {
    std::str::from_utf8(query).ok().map(|text| parse_qsl_text(text, false))
}

/// `parse_qsl(query, keep_blank_values)`. Django's `QueryDict` keeps blank values.
pub(crate) fn parse_qsl_text(query: &str, keep_blank_values: bool) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .filter(|(_, value)| keep_blank_values || !value.is_empty())
        .map(|(name, value)| (unquote_plus(name), unquote_plus(value)))
        .collect()
}

fn unquote_plus(text: &str) -> String {
    if text.contains('+') { unquote(&text.replace('+', " ")).into_owned() } else { unquote(text).into_owned() }
}

/// `unquote(text)`: each `%XX` becomes a byte, and runs of ASCII are decoded as UTF-8 with replacement characters.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Characters beyond ASCII stand for themselves and end a run: they never complete an escaped sequence.
        let ascii = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        decoded.push_str(&String::from_utf8_lossy(&unquote_to_bytes(&rest.as_bytes()[..ascii])));
        rest = &rest[ascii..];
        let wide = rest.find(|c: char| c.is_ascii()).unwrap_or(rest.len());
        decoded.push_str(&rest[..wide]);
        rest = &rest[wide..];
    }
    Cow::Owned(decoded)
}

fn unquote_to_bytes(text: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escape = match text.get(at + 1..at + 3) {
            Some(&[high, low]) if byte == b'%' => hex(high).zip(hex(low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            bytes.push(high << 4 | low);
            at += 3;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        parse_qsl(query.as_bytes()).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn only_ampersands_separate_and_the_first_equals_sign_splits() {
        assert_eq!(pairs("a=1;b=2&c=3=4"), [pair("a", "1;b=2"), pair("c", "3=4")]);
    }

    #[test]
    fn parts_without_a_value_are_dropped() {
        assert_eq!(pairs("uuid=&uuid&a=1&&=x"), [pair("a", "1"), pair("", "x")]);
        assert_eq!(parse_qsl_text("a=&b", true), [pair("a", ""), pair("b", "")]);
    }

    #[test]
    fn plus_is_space_and_percent_is_utf_8_with_replacement() {
        assert_eq!(
            pairs("a+b=c%20d%2B&e=%C3%A9%FF%zz%4&é=%e9é%C3"),
            [pair("a b", "c d+"), pair("e", "é\u{fffd}%zz%4"), pair("é", "\u{fffd}é\u{fffd}"),]
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_have_no_parameters() {
        assert_eq!(parse_qsl(b"uuid=\xff"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(query in ".{0,60}", bytes: Vec<u8>) {
            let _ = parse_qsl_text(&query, true);
            let _ = parse_qsl(&bytes);
        }
    }
}
