//! Python's regular expressions in the dialect of `fancy_regex`.
//!
//! The two agree on most of the syntax. Rewritten are the parts that mean something else there: `$` (in Python also
//! before a last line end), `\Z` (only the very end), `\w` and `\s` (other characters), `[` and `&&` inside a class
//! (plain characters), `{` where it begins no repetition, and an escaped character that is neither letter nor digit.

use std::{fmt::Write, iter::Peekable, str::Chars};

/// Python's `\w`: `str.isalnum()` or `_`.
const WORD: &str = r"\p{L}\p{N}_";
/// Python's `\s`: `str.isspace()`, which has four separators more than Unicode's `White_Space`.
const SPACE: &str = r"\s\x1c-\x1f";

/// # Errors
///
/// A sentence that names what is not understood.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    let mut translated = String::with_capacity(pattern.len() + 16);
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => escape(&mut characters, &mut translated, false),
            '$' => translated.push_str(r"(?=\n?\z)"),
            '[' => class(&mut characters, &mut translated),
            '{' => repetition(&mut characters, &mut translated),
            '(' if characters.peek() == Some(&'?') => {
                translated.push('(');
                flags(pattern, characters.clone())?;
            }
            _ => translated.push(character),
        }
    }
    Ok(translated)
}

/// What stands after a backslash.
fn escape(characters: &mut Peekable<Chars<'_>>, translated: &mut String, in_class: bool) {
    let Some(escaped) = characters.next() else {
        translated.push('\\');
        return;
    };
    match escaped {
        'Z' if !in_class => translated.push_str(r"\z"),
        'w' if in_class => translated.push_str(WORD),
        's' if in_class => translated.push_str(SPACE),
        'w' => _ = write!(translated, "[{WORD}]"),
        's' => _ = write!(translated, "[{SPACE}]"),
        'W' => _ = write!(translated, "[^{WORD}]"),
        'S' => _ = write!(translated, "[^{SPACE}]"),
        'b' if in_class => translated.push_str(r"\x08"),
        'u' | 'U' => {
            let digits: String = characters.by_ref().take(if escaped == 'u' { 4 } else { 8 }).collect();
            _ = write!(translated, r"\x{{{digits}}}");
        }
        _ if escaped.is_ascii_alphanumeric() => {
            translated.push('\\');
            translated.push(escaped);
        }
        _ => literal(translated, escaped),
    }
}

fn literal(translated: &mut String, character: char) {
    _ = write!(translated, r"\x{{{:x}}}", u32::from(character));
}

/// What stands in brackets. In Python a `]` in the first place and every `[`, `&` and `~` stand for themselves.
fn class(characters: &mut Peekable<Chars<'_>>, translated: &mut String) {
    translated.push('[');
    if characters.next_if_eq(&'^').is_some() {
        translated.push('^');
    }
    let mut first = true;
    while let Some(character) = characters.next() {
        match character {
            ']' if !first => {
                translated.push(']');
                return;
            }
            '\\' => escape(characters, translated, true),
            '[' | ']' | '&' | '~' | '#' | ' ' => literal(translated, character),
            '-' if first || characters.peek() == Some(&']') => literal(translated, '-'),
            _ => translated.push(character),
        }
        first = false;
    }
}

/// `{m}`, `{m,}`, `{,n}`, `{m,n}`; anything else in braces stands for itself.
fn repetition(characters: &mut Peekable<Chars<'_>>, translated: &mut String) {
    let inside: String = characters.clone().take_while(|&character| character != '}').collect();
    let closed = characters.clone().nth(inside.chars().count()) == Some('}');
    let bounds = inside.split_once(',').unwrap_or((&inside, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !closed || inside.is_empty() || !digits(bounds.0) || !digits(bounds.1) {
        literal(translated, '{');
        return;
    }
    translated.push('{');
    if inside.starts_with(',') {
        translated.push('0');
    }
}

/// Refuses flags in `(?...)` that change what the rest of this module relies on.
fn flags(pattern: &str, characters: Peekable<Chars<'_>>) -> Result<(), String> {
    let flags: String =
        characters.skip(1).take_while(|character| character.is_ascii_alphabetic() || *character == '-').collect();
    // `(?P<name>`, `(?P=name)`: no flags.
    match flags.chars().find(|flag| matches!(flag, 'a' | 'L' | 'm' | 'x')) {
        Some(flag) if !flags.starts_with('P') => {
            Err(format!("the regex {pattern:?} uses the flag {flag:?}, which is not supported"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use fancy_regex::Regex;

    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        Regex::new(&translate(pattern).unwrap()).unwrap().is_match(text).unwrap()
    }

    #[test]
    fn what_python_matches_is_matched() {
        for (pattern, text) in [
            (r"^a$", "a\n"),
            (r"^\w+\Z", "Straße_1"),
            (r"^[\w-]+$", "a-b"),
            (r"^[-\w]+$", "a-b"),
            (r"^[\w.@+-]+$", "a.b@c+d-e"),
            (r"^[^/]+$", "a b"),
            (r"^[[&&~]+$", "[&~"),
            (r"^[]a]+$", "]a"),
            (r"^a{b}$", "a{b}"),
            (r"^a{,2}$", "aa"),
            (r"^a{1,2}$", "aa"),
            (r"^\d{4}\/\-\_\<$", "2024/-_<"),
            (r"^(?P<x>a)(?P=x)\1$", "aaa"),
            (r"(?i)^AB$", "ab"),
            ("^\\u00e9$", "é"),
            (r"^\s$", "\u{1c}"),
            (r"^(?!no)\w+$", "yes"),
        ] {
            assert!(is_match(pattern, text), "{pattern} on {text:?}: {}", translate(pattern).unwrap());
        }
    }

    #[test]
    fn what_python_does_not_match_is_not_matched() {
        for (pattern, text) in [
            (r"^a\Z", "a\n"),
            (r"^\w$", "\u{301}"),
            (r"^a$", "a\n\n"),
            (r"^a{,2}$", "aaa"),
            (r"^[a-c&&b]$", "d"),
            (r"^.$", "\n"),
            (r"^(?!no)\w+$", "nope"),
        ] {
            assert!(!is_match(pattern, text), "{pattern} on {text:?}: {}", translate(pattern).unwrap());
        }
    }

    #[test]
    fn flags_that_change_the_meaning_are_refused() {
        for pattern in ["(?x)a b", "(?m)^a$", "(?a)\\w", "(?im:a)"] {
            assert!(translate(pattern).unwrap_err().contains("flag"), "{pattern}");
        }
    }
}
