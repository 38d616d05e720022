//! `str()` and `repr()`: the text form that a `CharField` looks up.

use std::fmt::Write as _;

use super::{Value, repr_float};

/// `str(value)`. `None` where the text holds lone surrogates, which no database takes.
pub(crate) fn str(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Uuid(uuid) => Some(uuid.hyphenated().to_string()),
        other => repr(other),
    }
}

/// `repr(value)`. `None` where it holds lone surrogates: their text is not kept.
pub(crate) fn repr(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_repr(&mut out, value)?;
    Some(out)
}

fn write_repr(out: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Value::Int(number) => write!(out, "{number}").ok()?,
        Value::BigInt(number) => write!(out, "{number}").ok()?,
        Value::Float(float) => out.push_str(&repr_float(*float)),
        Value::Str(text) => write_text(out, text),
        Value::LoneSurrogates => return None,
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::Uuid(uuid) => write!(out, "UUID('{}')", uuid.hyphenated()).ok()?,
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_repr(out, item)?;
            }
            out.push(']');
        }
        Value::Dict(entries) => {
            out.push('{');
            for (index, (name, item)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_text(out, name);
                out.push_str(": ");
                write_repr(out, item)?;
            }
            out.push('}');
        }
    }
    Some(())
}

const fn quote(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn write_text(out: &mut String, text: &str) {
    let quote = quote(text.contains('\''), text.contains('"'));
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    out.push('b');
    out.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte if char::from(byte) == quote => out.extend(['\\', quote]),
            b' '..=b'~' => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(quote);
}

/// `str.isprintable` of one character, but that code points which Unicode has not assigned count as printable.
fn is_printable(c: char) -> bool {
    let format_or_private = matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{13438}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
            | '\u{f0000}'..
    );
    c == ' ' || !(c.is_control() || c.is_whitespace() || format_or_private)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn text_forms_are_pythons() {
        let list = Value::List(vec![
            Value::None,
            Value::Bool(true),
            Value::Float(1.0),
            text("a"),
            Value::Dict(vec![("b".to_owned(), Value::List(vec![Value::Int(1)]))]),
        ]);
        assert_eq!(str(&list).unwrap(), "[None, True, 1.0, 'a', {'b': [1]}]");
        assert_eq!(str(&text("it's")).unwrap(), "it's");
        assert_eq!(str(&Value::Bytes(b"a'\xff\n".to_vec())).unwrap(), r#"b"a'\xff\n""#);
        assert_eq!(str(&Value::Uuid(Uuid::from_u128(1))).unwrap(), "00000000-0000-0000-0000-000000000001");
        assert_eq!(repr(&Value::Uuid(Uuid::nil())).unwrap(), "UUID('00000000-0000-0000-0000-000000000000')");
        assert_eq!(str(&Value::LoneSurrogates), None);
        assert_eq!(str(&Value::List(vec![Value::LoneSurrogates])), None);
    }

    #[test]
    fn text_in_a_list_is_quoted_as_in_python() {
        for (content, quoted) in [
            ("it's", r#""it's""#),
            ("a\"b", r#"'a"b'"#),
            ("'\"", r#"'\'"'"#),
            (
                "\n\t\r\0\x7f\u{80}\u{a0}\u{ad}\u{301}\u{2028}\u{e000}\u{e0001}é😀\\",
                "'\\n\\t\\r\\x00\\x7f\\x80\\xa0\\xad\u{301}\\u2028\\ue000\\U000e0001é😀\\\\'",
            ),
        ] {
            assert_eq!(repr(&text(content)).unwrap(), quoted);
        }
    }
}
