//! `json.loads`: what Python's parser takes, which is more than JSON and in two places less.

use std::collections::HashMap;

use num_bigint::BigInt;

use super::encoding;
use crate::python::{Value, int::MAX_STR_DIGITS};

/// Containers within one another that Python reads before it raises `RecursionError`.
///
/// CPython counts the frames that lead to the call (its limit is 1000), so the exact number depends on the caller. This
/// many are left where PyJWT calls `json.loads` for a payload in the ticket view, under Django 5.2 with its default
/// middleware on uvicorn or Daphne.
pub(crate) const MAX_DEPTH: usize = 973;

/// Why `json.loads` raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// `JSONDecodeError`; or `ValueError` for an integer of more than 4300 digits.
    #[error("not JSON as Python reads it")]
    Syntax,
    /// `UnicodeDecodeError`.
    #[error("not UTF-8, UTF-16 or UTF-32")]
    NotText,
    /// `RecursionError`.
    #[error("too many containers within one another")]
    TooDeep,
}

/// `json.loads(bytes)`.
///
/// UTF-8, UTF-16 and UTF-32 are told apart by their first bytes, with or without byte order mark. `NaN`, `Infinity`
/// and lone surrogates are taken; of a key that stands twice, the last value in the first place. Entries whose key
/// holds lone surrogates are dropped: no setting can name them.
///
/// # Errors
///
/// What Python would raise.
pub(crate) fn loads(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = encoding::decode(bytes).map_err(|_| JsonError::NotText)?;
    Reader { text: &text, at: 0 }.document()
}

/// `json.loads(str)`. A byte order mark is refused here.
///
/// # Errors
///
/// What Python would raise.
pub(crate) fn loads_str(text: &str) -> Result<Value, JsonError> {
    Reader { text: text.as_bytes(), at: 0 }.document()
}

/// A container that is not closed yet.
enum Open {
    List(Vec<Value>),
    /// The entries so far, and the key whose value comes next.
    Dict(Vec<(String, Value)>, Option<String>),
}

/// Reads UTF-8 that may hold surrogates; never recurses, so that no document overflows the stack.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn document(mut self) -> Result<Value, JsonError> {
        let mut open: Vec<Open> = Vec::new();
        self.skip_space();
        'value: loop {
            let mut value = match self.peek() {
                Some(opening @ (b'{' | b'[')) => {
                    if open.len() == MAX_DEPTH {
                        return Err(JsonError::TooDeep);
                    }
                    self.at += 1;
                    self.skip_space();
                    match (opening, self.peek()) {
                        (b'{', Some(b'}')) => {
                            self.at += 1;
                            Value::Dict(Vec::new())
                        }
                        (b'[', Some(b']')) => {
                            self.at += 1;
                            Value::List(Vec::new())
                        }
                        (b'{', _) => {
                            let key = self.key()?;
                            open.push(Open::Dict(Vec::new(), key));
                            continue 'value;
                        }
                        _ => {
                            open.push(Open::List(Vec::new()));
                            continue 'value;
                        }
                    }
                }
                _ => self.scalar()?,
            };
            loop {
                self.skip_space();
                value = match open.pop() {
                    None if self.at == self.text.len() => return Ok(value),
                    None => return Err(JsonError::Syntax),
                    Some(Open::List(mut items)) => {
                        items.push(value);
                        if self.more(b']')? {
                            open.push(Open::List(items));
                            continue 'value;
                        }
                        Value::List(items)
                    }
                    Some(Open::Dict(mut entries, key)) => {
                        if let Some(key) = key {
                            entries.push((key, value));
                        }
                        if self.more(b'}')? {
                            let key = self.key()?;
                            open.push(Open::Dict(entries, key));
                            continue 'value;
                        }
                        Value::Dict(last_of_each_key(entries))
                    }
                };
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Whether a comma follows (and what comes after it is next) or the container's end.
    fn more(&mut self, end: u8) -> Result<bool, JsonError> {
        let more = match self.peek() {
            Some(b',') => true,
            Some(byte) if byte == end => false,
            _ => return Err(JsonError::Syntax),
        };
        self.at += 1;
        if more {
            self.skip_space();
        }
        Ok(more)
    }

    /// A key, its colon, and the space around that. `None`: the key holds lone surrogates.
    fn key(&mut self) -> Result<Option<String>, JsonError> {
        let key = if self.peek() == Some(b'"') { self.string()? } else { return Err(JsonError::Syntax) };
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(JsonError::Syntax);
        }
        self.at += 1;
        self.skip_space();
        Ok(key)
    }

    fn scalar(&mut self) -> Result<Value, JsonError> {
        let words: [(&[u8], Value); 6] = [
            (b"null", Value::None),
            (b"true", Value::Bool(true)),
            (b"false", Value::Bool(false)),
            (b"NaN", Value::Float(f64::NAN)),
            (b"Infinity", Value::Float(f64::INFINITY)),
            (b"-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        match self.peek() {
            Some(b'"') => Ok(self.string()?.map_or(Value::LoneSurrogates, Value::Str)),
            Some(b'0'..=b'9') => self.number(),
            Some(_) => {
                for (word, value) in words {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.number()
            }
            None => Err(JsonError::Syntax),
        }
    }

    /// Matches CPython 3.11, `Modules/_json.c`, `_match_number_unicode`.
    fn number(&mut self) -> Result<Value, JsonError> {
        let rest = &self.text[self.at..];
        let digits_from = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let sign = usize::from(rest.first() == Some(&b'-'));
        let whole = match rest.get(sign) {
            Some(b'0') => 1,
            Some(b'1'..=b'9') => digits_from(sign),
            _ => return Err(JsonError::Syntax),
        };
        let mut end = sign + whole;
        let mut is_float = false;
        if rest.get(end) == Some(&b'.') {
            let fraction = digits_from(end + 1);
            if fraction > 0 {
                end += 1 + fraction;
                is_float = true;
            }
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits_from(end + 1 + signed);
            if exponent > 0 {
                end += 1 + signed + exponent;
                is_float = true;
            }
        }
        self.at += end;
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| JsonError::Syntax)?;
        if is_float {
            return text.parse().map(Value::Float).map_err(|_| JsonError::Syntax);
        }
        if let Ok(number) = text.parse() {
            return Ok(Value::Int(number));
        }
        if whole > MAX_STR_DIGITS {
            return Err(JsonError::Syntax);
        }
        text.parse().map(Value::BigInt).map_err(|_: <BigInt as std::str::FromStr>::Err| JsonError::Syntax)
    }

    /// A string, from its first quote. `None`: it holds lone surrogates.
    fn string(&mut self) -> Result<Option<String>, JsonError> {
        self.at += 1;
        let mut content: Vec<u8> = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain =
                rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).ok_or(JsonError::Syntax)?;
            content.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Ok(String::from_utf8(content).ok()),
                b'\\' => self.escape(&mut content)?,
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, content: &mut Vec<u8>) -> Result<(), JsonError> {
        let escape = self.peek().ok_or(JsonError::Syntax)?;
        self.at += 1;
        content.push(match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.four_digits()?;
                while (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    let next = self.four_digits()?;
                    if (0xdc00..0xe000).contains(&next) {
                        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
                    } else {
                        encoding::push(content, code).map_err(|_| JsonError::NotText)?;
                        code = next;
                    }
                }
                return encoding::push(content, code).map_err(|_| JsonError::NotText);
            }
            _ => return Err(JsonError::Syntax),
        });
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(JsonError::Syntax)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, &digit| {
            char::from(digit).to_digit(16).map(|digit| code << 4 | digit).ok_or(JsonError::Syntax)
        })
    }
}

/// `dict(pairs)`: each key in its first place, with its last value.
fn last_of_each_key(entries: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let repeats = if entries.len() <= 16 {
        entries.iter().enumerate().any(|(index, (key, _))| entries[..index].iter().any(|(earlier, _)| earlier == key))
    } else {
        true // Not known: the map finds out.
    };
    if !repeats {
        return entries;
    }
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if let Some(&place) = places.get(&key) {
            kept[place].1 = value;
        } else {
            places.insert(key.clone(), kept.len());
            kept.push((key, value));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Dict(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    #[test]
    fn documents_read_as_in_python() {
        for (document, value) in [
            (" {} ", dict([])),
            ("[]", Value::List(vec![])),
            (
                "[1, -2,\t[ ] ,{ \"a\" : null}\r\n]",
                Value::List(vec![Value::Int(1), Value::Int(-2), Value::List(vec![]), dict([("a", Value::None)])]),
            ),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("-0", Value::Int(0)),
            ("-0.0", Value::Float(-0.0)),
            ("1e3", Value::Float(1000.0)),
            ("1E+3", Value::Float(1000.0)),
            ("1.5e-3", Value::Float(0.0015)),
            ("1e400", Value::Float(f64::INFINITY)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("9223372036854775808", Value::BigInt(BigInt::from(1_u64 << 63))),
            (r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\uDE00é""#, text("a\"\\/\x08\x0c\n\r\té😀é")),
            ("\"\x7f\u{2028}\"", text("\x7f\u{2028}")),
            (r#""\ud800""#, Value::LoneSurrogates),
            (r#""\udc00\ud800""#, Value::LoneSurrogates),
            (r#""\ud800\ud83d\ude00""#, Value::LoneSurrogates),
            (r#""\ud800A""#, Value::LoneSurrogates),
        ] {
            assert_eq!(loads(document.as_bytes()), Ok(value.clone()), "{document}");
            assert_eq!(loads_str(document), Ok(value), "{document}");
        }
        assert!(matches!(loads(b"NaN"), Ok(Value::Float(float)) if float.is_nan()));
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for document in [
            "",
            " ",
            "nul",
            "nan",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "-",
            "- 1",
            "-inf",
            "0x1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "[1",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{'a':1}",
            "[1}",
            "{\"a\":1]",
            "\"",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u123g\"",
            "\"\\u+123\"",
            "\"\\ud800\\u12\"",
            "\"a\nb\"",
            "\"\0\"",
            "\"\x1f\"",
            "1 2",
            "{} x",
            "// 1",
            "[1,// 1\n2]",
            "\u{a0}1",
            "\u{feff}\u{feff}1",
            "tru",
            "truee",
        ] {
            assert_eq!(loads(document.as_bytes()), Err(JsonError::Syntax), "{document:?}");
        }
        assert_eq!(loads_str("\u{feff}1"), Err(JsonError::Syntax));
        assert_eq!(loads(b"\"\xff\""), Err(JsonError::NotText));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_value_stands_in_the_first_place() {
        let expected = dict([("a", Value::Int(3)), ("b", Value::Int(2))]);
        assert_eq!(loads(br#"{"a":1,"b":2,"\u0061":3}"#), Ok(expected));
        let many: Vec<String> = (0..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
        let Ok(Value::Dict(entries)) = loads(format!("{{{}}}", many.join(",")).as_bytes()) else { panic!() };
        let expected: Vec<_> = (0..20).map(|n| (format!("k{n}"), Value::Int(n + 20))).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_key_with_lone_surrogates_is_dropped() {
        assert_eq!(loads(br#"{"\ud800":1,"a":2}"#), Ok(dict([("a", Value::Int(2))])));
    }

    #[test]
    fn integers_of_more_than_4300_digits_are_refused() {
        assert!(matches!(loads("7".repeat(4300).as_bytes()), Ok(Value::BigInt(_))));
        assert!(matches!(loads(format!("-{}", "7".repeat(4300)).as_bytes()), Ok(Value::BigInt(_))));
        assert_eq!(loads("7".repeat(4301).as_bytes()), Err(JsonError::Syntax));
        assert!(matches!(loads(format!("{}.0", "7".repeat(4301)).as_bytes()), Ok(Value::Float(_))));
    }

    #[test]
    fn too_many_containers_within_one_another_are_refused_and_never_overflow() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(loads(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(loads(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(loads("{\"a\":".repeat(1_000_000).as_bytes()), Err(JsonError::TooDeep));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = loads(&bytes);
        }

        #[test]
        fn nothing_like_json_panics(document in r#"([\[\]{},:"0-9eE.\\ \-u]|true|"a"|\\ud8|NaN){0,24}"#) {
            let _ = loads(document.as_bytes());
        }

        #[test]
        fn what_serde_json_reads_is_read_alike(document in arb_json()) {
            let serde: serde_json::Value = serde_json::from_str(&document).unwrap();
            let ours = loads(document.as_bytes()).unwrap();
            prop_assert_eq!(super::super::dumps(&ours).unwrap(), python_style(&serde));
        }
    }

    fn arb_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|flag| flag.to_string()),
            any::<i64>().prop_map(|number| number.to_string()),
            ".{0,8}".prop_map(|text: String| serde_json::to_string(&text).unwrap()),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(("[a-e]", inner), 0..5).prop_map(|entries| {
                    let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                    format!("{{ {} }}", entries.join(" , "))
                }),
            ]
        })
    }

    fn python_style(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Array(items) => {
                format!("[{}]", items.iter().map(python_style).collect::<Vec<_>>().join(", "))
            }
            serde_json::Value::Object(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\": {}", python_style(value))).collect();
                format!("{{{}}}", entries.join(", "))
            }
            serde_json::Value::String(text) => super::super::dumps(&Value::Str(text.clone())).unwrap(),
            other => other.to_string(),
        }
    }
}
