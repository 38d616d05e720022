//! `json.dumps`, in Python's default form and in Django REST framework's.

use std::fmt::Write as _;

use crate::python::{Value, repr_float};

/// How JSON is written. [`PYTHON`](Self::PYTHON) and [`drf`](Self::drf) are those in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonStyle {
    /// `separators=(", ", ": ")` rather than `(",", ":")`.
    spaced: bool,
    /// `ensure_ascii`.
    ascii: bool,
    /// `indent`: items on lines of their own.
    indent: Option<usize>,
    /// What DRF's encoder adds: UUIDs as text, U+2028 and U+2029 always escaped.
    drf: bool,
}

impl JsonStyle {
    /// `json.dumps(value)`: `", "`, `": "`, ASCII escapes. What Channels' JSON consumers send.
    pub(crate) const PYTHON: Self = Self { spaced: true, ascii: true, indent: None, drf: false };

    /// `json.dumps(value, separators=(",", ":"))`: ASCII escapes, no spaces. What PyJWT signs.
    pub(crate) const COMPACT: Self = Self { spaced: false, ascii: true, indent: None, drf: false };

    /// Matches djangorestframework 3.18.3, renderers.py, `JSONRenderer`: `COMPACT_JSON`, `UNICODE_JSON`, and the
    /// `indent` of the accepted media type (1 to 8; 0 is `None` there).
    pub(crate) const fn drf(compact: bool, unicode: bool, indent: Option<usize>) -> Self {
        Self { spaced: !compact, ascii: !unicode, indent, drf: true }
    }
}

/// `TypeError`: `json.dumps` has no form for this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Object of type {0} is not JSON serializable")]
pub(crate) struct Unserializable(&'static str);

/// `json.dumps(value)`.
///
/// # Errors
///
/// [`Unserializable`] for bytes and UUIDs, as in Python; and for text with lone surrogates, whose content was not kept.
pub(crate) fn dumps(value: &Value) -> Result<String, Unserializable> {
    dumps_with(value, JsonStyle::PYTHON)
}

/// `json.dumps(value, ...)` in `style`.
///
/// # Errors
///
/// As [`dumps`].
pub(crate) fn dumps_with(value: &Value, style: JsonStyle) -> Result<String, Unserializable> {
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, style: JsonStyle, level: usize) -> Result<(), Unserializable> {
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::BigInt(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(float) if float.is_nan() => out.push_str("NaN"),
        Value::Float(float) if float.is_infinite() => out.push_str(if *float > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::Float(float) => out.push_str(&repr_float(*float)),
        Value::Str(text) => write_text(out, text, style),
        Value::Uuid(uuid) if style.drf => {
            let _ = write!(out, "\"{}\"", uuid.hyphenated());
        }
        Value::LoneSurrogates | Value::Bytes(_) | Value::Uuid(_) => return Err(Unserializable(value.type_name())),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Dict(entries) if entries.is_empty() => out.push_str("{}"),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index, style, level + 1);
                write(out, item, style, level + 1)?;
            }
            new_line(out, style, level);
            out.push(']');
        }
        Value::Dict(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                separate(out, index, style, level + 1);
                write_text(out, key, style);
                out.push_str(if style.spaced || style.indent.is_some() { ": " } else { ":" });
                write(out, item, style, level + 1)?;
            }
            new_line(out, style, level);
            out.push('}');
        }
    }
    Ok(())
}

/// What stands before the item at `index`.
fn separate(out: &mut String, index: usize, style: JsonStyle, level: usize) {
    if index > 0 {
        out.push_str(if style.spaced && style.indent.is_none() { ", " } else { "," });
    }
    new_line(out, style, level);
}

fn new_line(out: &mut String, style: JsonStyle, level: usize) {
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * level));
    }
}

fn write_text(out: &mut String, text: &str, style: JsonStyle) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\0'..='\x1f' => escape(out, c),
            // ensure_ascii escapes DEL too.
            ' '..='~' => out.push(c),
            '\u{2028}' | '\u{2029}' if style.drf => escape(out, c),
            _ if style.ascii => escape(out, c),
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn sample() -> Value {
        Value::Dict(vec![
            ("é\"\\\n\x01\x7f\u{2028}😀".to_owned(), Value::List(vec![Value::Int(1), Value::Float(1e16), Value::None])),
            ("b".to_owned(), Value::Dict(vec![])),
        ])
    }

    #[test]
    fn pythons_default_has_spaces_and_ascii_escapes() {
        assert_eq!(
            dumps(&sample()).unwrap(),
            r#"{"\u00e9\"\\\n\u0001\u007f\u2028\ud83d\ude00": [1, 1e+16, null], "b": {}}"#
        );
    }

    #[test]
    fn drf_is_compact_and_unicode_but_for_line_separators() {
        assert_eq!(
            dumps_with(&sample(), JsonStyle::drf(true, true, None)).unwrap(),
            "{\"é\\\"\\\\\\n\\u0001\x7f\\u2028😀\":[1,1e+16,null],\"b\":{}}"
        );
        let uuid = Value::Dict(vec![("uuid".to_owned(), Value::Uuid(Uuid::nil()))]);
        let text = "\"00000000-0000-0000-0000-000000000000\"";
        assert_eq!(dumps_with(&uuid, JsonStyle::drf(true, true, None)).unwrap(), format!("{{\"uuid\":{text}}}"));
        assert_eq!(dumps_with(&uuid, JsonStyle::drf(false, true, None)).unwrap(), format!("{{\"uuid\": {text}}}"));
        assert_eq!(
            dumps_with(&uuid, JsonStyle::drf(true, true, Some(2))).unwrap(),
            format!("{{\n  \"uuid\": {text}\n}}")
        );
    }

    #[test]
    fn nested_values_are_indented_as_in_python() {
        let value = Value::List(vec![Value::Int(1), Value::List(vec![Value::Int(2)]), Value::Dict(vec![])]);
        assert_eq!(
            dumps_with(&value, JsonStyle::drf(false, true, Some(4))).unwrap(),
            "[\n    1,\n    [\n        2\n    ],\n    {}\n]"
        );
    }

    #[test]
    fn what_is_no_number_in_json_is_written_as_python_does() {
        let value = Value::List([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0].map(Value::Float).to_vec());
        assert_eq!(dumps(&value).unwrap(), "[NaN, Infinity, -Infinity, 1.0]");
    }

    #[test]
    fn types_that_python_cannot_write_are_errors() {
        let error = dumps(&Value::Uuid(Uuid::nil())).unwrap_err();
        assert_eq!(error.to_string(), "Object of type UUID is not JSON serializable");
        assert!(dumps(&Value::Bytes(vec![])).is_err());
        assert!(dumps(&Value::LoneSurrogates).is_err());
    }
}
