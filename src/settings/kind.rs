//! What type of value a setting takes, and how each layer writes it.

use serde_json::{Number, Value};

/// The longest duration that is accepted: a century, so that adding it to a clock cannot overflow.
const LONGEST_SECONDS: f64 = 3_155_760_000.0;

/// What a setting takes. Each layer's value is brought to one form when it is read, so that whoever fills in the
/// options need not check types again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// A whole number in this range.
    Integer(i64, i64),
    Text,
    /// Text or a whole number.
    TextOrInteger,
    /// Text that is never shown.
    Secret,
    /// A list of texts that are never shown; one text alone stands for a list of one.
    Secrets,
    /// Text, or `false` (in Django `None`) for none.
    TextOrNone,
    /// A list of texts; one text alone stands for a list of one.
    Texts,
    /// A text, or a list of texts, or `false` for none.
    TextOrTexts,
    /// A list of two texts, or `false` for none.
    PairOrNone,
    /// A duration: a number of seconds, or text such as "30s", "5m", "500ms".
    Seconds,
    /// A duration, or `"off"` or `false` for none.
    SecondsOrOff,
    /// A size in bytes: a number, or text such as "64 KiB".
    Bytes,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true`, `false` or one of these words.
    BoolOr(&'static [&'static str]),
    /// Whatever its reader makes of it.
    Any,
}

impl Kind {
    /// What the setting takes, for a person.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer(i64::MIN, i64::MAX) => "a whole number".to_owned(),
            Self::Integer(min, i64::MAX) => format!("a whole number from {min}"),
            Self::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Self::Text | Self::Secret => "text in quotes".to_owned(),
            Self::TextOrInteger => "a whole number, or text in quotes".to_owned(),
            Self::TextOrNone => "text in quotes, or false for none".to_owned(),
            Self::Texts | Self::Secrets => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
            Self::TextOrTexts => "text or a list of texts, or false for none".to_owned(),
            Self::PairOrNone => "a list of two texts, or false for none".to_owned(),
            Self::Seconds => "a number of seconds, or a text such as \"30s\" or \"5m\"".to_owned(),
            Self::SecondsOrOff => "a number of seconds, a text such as \"30s\" or \"5m\", or \"off\"".to_owned(),
            Self::Bytes => "a number of bytes, or a text such as \"64 KiB\"".to_owned(),
            Self::Word(words) => format!("one of {}", quoted(words)),
            Self::BoolOr(words) => format!("true, false or {}", quoted(words)),
            Self::Any => "a value".to_owned(),
        }
    }

    /// The bounds that a refused value is beyond, where it is of the right form and `describe` does not say them.
    pub(super) fn bounds(self, value: &Value) -> &'static str {
        match (self, value) {
            (Self::Seconds | Self::SecondsOrOff, Value::Number(_)) => ", from 0 to 3155760000 s",
            (Self::Seconds, Value::String(text)) if parse_seconds(text).is_some() => ", from 0 to 3155760000 s",
            (Self::Bytes, Value::Number(_)) => ", below 2 GiB",
            (Self::Bytes, Value::String(text)) if parse_bytes(text).is_some() => ", below 2 GiB",
            _ => "",
        }
    }

    /// A typed value (from TOML or JSON) in the setting's own form; `None` if it does not fit.
    pub(super) fn accept(self, value: Value) -> Option<Value> {
        match (self, value) {
            (Self::Any, value) => Some(value),
            (Self::TextOrInteger, value) => (value.is_string() || value.is_i64()).then_some(value),
            (Self::Bool | Self::BoolOr(_), value @ Value::Bool(_))
            | (Self::TextOrNone | Self::Text | Self::Secret | Self::TextOrTexts, value @ Value::String(_)) => {
                Some(value)
            }
            (Self::TextOrNone | Self::TextOrTexts | Self::PairOrNone, Value::Bool(false) | Value::Null) => {
                Some(Value::Null)
            }
            (Self::Word(words) | Self::BoolOr(words), Value::String(word)) => {
                words.contains(&word.as_str()).then_some(Value::String(word))
            }
            (Self::Integer(min, max), value) => {
                let number = value.as_i64()?;
                (min <= number && number <= max).then_some(value)
            }
            (Self::Texts | Self::Secrets, value @ Value::String(_)) => Some(Value::Array(vec![value])),
            (Self::Texts | Self::Secrets | Self::TextOrTexts, Value::Array(list)) => {
                list.iter().all(Value::is_string).then_some(Value::Array(list))
            }
            (Self::PairOrNone, Value::Array(list)) => {
                (list.len() == 2 && list.iter().all(Value::is_string)).then_some(Value::Array(list))
            }
            (Self::SecondsOrOff, Value::Bool(false) | Value::Null) => Some(Value::Null),
            (Self::SecondsOrOff, Value::String(word)) if word.eq_ignore_ascii_case("off") => Some(Value::Null),
            (Self::Seconds | Self::SecondsOrOff, Value::Number(number)) => seconds(number.as_f64()?),
            (Self::Seconds | Self::SecondsOrOff, Value::String(text)) => seconds(parse_seconds(&text)?),
            (Self::Bytes, Value::Number(number)) => number.as_u64().filter(|&n| fits(n)).map(Value::from),
            (Self::Bytes, Value::String(text)) => parse_bytes(&text).filter(|&n| fits(n)).map(Value::from),
            _ => None,
        }
    }

    /// The text of a variable or flag in the setting's own form; `None` if it does not fit.
    pub(super) fn accept_text(self, text: &str) -> Option<Value> {
        let word = text.to_ascii_lowercase();
        let boolean = match word.as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        match self {
            Self::BoolOr(words) if words.contains(&text) => Some(Value::from(text)),
            Self::Bool | Self::BoolOr(_) => boolean.map(Value::Bool),
            Self::Integer(..) => self.accept(Value::from(text.trim().parse::<i64>().ok()?)),
            Self::SecondsOrOff if word == "false" => Some(Value::Null),
            Self::TextOrNone | Self::TextOrTexts | Self::PairOrNone if text.is_empty() || word == "false" => {
                Some(Value::Null)
            }
            Self::Texts | Self::Secrets | Self::TextOrTexts | Self::PairOrNone
                if text.trim_start().starts_with('[') =>
            {
                self.accept(serde_json::from_str(text).ok()?)
            }
            Self::Texts | Self::Secrets | Self::PairOrNone => {
                self.accept(text.split(',').map(str::trim).filter(|t| !t.is_empty()).collect())
            }
            Self::Any => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
            Self::Text
            | Self::TextOrInteger
            | Self::Secret
            | Self::TextOrNone
            | Self::TextOrTexts
            | Self::Seconds
            | Self::SecondsOrOff
            | Self::Bytes
            | Self::Word(_) => self.accept(Value::from(text)),
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn fits(bytes: u64) -> bool {
    u32::try_from(bytes).is_ok_and(|bytes| bytes < 1 << 31)
}

fn seconds(number: f64) -> Option<Value> {
    if !(0.0..=LONGEST_SECONDS).contains(&number) {
        return None;
    }
    let whole = format!("{number}").parse::<u64>().ok().map(Value::from);
    whole.or_else(|| Number::from_f64(number).map(Value::Number))
}

/// `30`, `1.5s`, `500ms`, `5m`, `2h`, `1d`: seconds.
fn parse_seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let digits = digits.trim_end();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digits.parse::<f64>().ok().filter(|_| plain).map(|number| number * factor)
}

/// `65536`, `64 KiB`, `16MiB`, `1 GB`: bytes.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" | "k" => 1 << 10,
        "mb" => 1_000_000,
        "mib" | "m" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" | "g" => 1 << 30,
        _ => return None,
    };
    let digits = digits.trim_end();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_seconds_or_carry_their_unit() {
        let cases = [
            (json!(30), json!(30)),
            (json!(1.5), json!(1.5)),
            (json!("30"), json!(30)),
            (json!("30s"), json!(30)),
            (json!("5m"), json!(300)),
            (json!("500ms"), json!(0.5)),
            (json!("2 h"), json!(7_200)),
            (json!("1d"), json!(86_400)),
        ];
        for (given, seconds) in cases {
            assert_eq!(Kind::Seconds.accept(given.clone()), Some(seconds), "{given}");
        }
        for bad in [
            json!(-1),
            json!("-1s"),
            json!("5 parsecs"),
            json!(""),
            json!("s"),
            json!("1e3"),
            json!("inf"),
            json!(1e12),
        ] {
            assert_eq!(Kind::Seconds.accept(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_carry_their_unit() {
        for (given, bytes) in
            [(json!(7), 7), (json!("64 KiB"), 65_536), (json!("16MiB"), 16_777_216), (json!("1 kb"), 1_000)]
        {
            assert_eq!(Kind::Bytes.accept(given), Some(json!(bytes)));
        }
        for bad in [json!(-1), json!("1 TiB"), json!("99 GiB"), json!("x"), json!(1.5)] {
            assert_eq!(Kind::Bytes.accept(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_variable_writes_lists_with_commas_or_as_json() {
        assert_eq!(Kind::Texts.accept_text("a, b"), Some(json!(["a", "b"])));
        assert_eq!(Kind::Texts.accept_text(r#"["a,b"]"#), Some(json!(["a,b"])));
        assert_eq!(Kind::Texts.accept_text("[1]"), None);
        assert_eq!(Kind::Bool.accept_text("Yes"), Some(json!(true)));
        assert_eq!(Kind::Bool.accept_text("perhaps"), None);
        assert_eq!(Kind::TextOrNone.accept_text("false"), Some(Value::Null));
        assert_eq!(Kind::BoolOr(&["auto"]).accept_text("auto"), Some(json!("auto")));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_kind_panic(text in "\\PC*") {
            for kind in [Kind::Bool, Kind::Integer(0, 9), Kind::Text, Kind::TextOrNone, Kind::Texts, Kind::TextOrTexts,
                         Kind::PairOrNone, Kind::Seconds, Kind::Bytes, Kind::Word(&["a"]), Kind::BoolOr(&["a"]), Kind::Any] {
                let _ = kind.accept_text(&text);
                let _ = kind.accept(Value::from(text.as_str()));
            }
        }
    }
}
