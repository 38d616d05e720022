//! The regular expressions of a project's settings, written for Python's `re`.

use fancy_regex::Regex;

/// A pattern that this program cannot compile.
#[derive(Debug, thiserror::Error)]
#[error("the regular expression {pattern:?} cannot be used: {cause}")]
pub(crate) struct PatternError {
    pattern: String,
    cause: String,
}

/// A Python pattern.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// `re.search`.
    pub(super) fn search(pattern: &str) -> Result<Self, PatternError> {
        Self::compile(pattern, &translate(pattern))
    }

    /// `re.match`: from the start of the text.
    pub(super) fn at_start(pattern: &str) -> Result<Self, PatternError> {
        Self::compile(pattern, &format!(r"\A(?:{})", translate(pattern)))
    }

    fn compile(pattern: &str, translated: &str) -> Result<Self, PatternError> {
        match Regex::new(translated) {
            Ok(regex) => Ok(Self(regex)),
            Err(error) => Err(PatternError { pattern: pattern.to_owned(), cause: error.to_string() }),
        }
    }

    /// Whether `text` matches. A match that takes too many steps is none.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// Where Python's syntax means something else here: `\Z` is the very end, and `$` the end or a last line break.
fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Z') if !in_class => translated.push_str(r"\z"),
                Some(escaped) => translated.extend(['\\', escaped]),
                None => translated.push('\\'),
            },
            '$' if !in_class => translated.push_str(r"(?:\n?\z)"),
            '[' => {
                // A bracket within a class stands for itself in Python.
                translated.push_str(if in_class { r"\[" } else { "[" });
                in_class = true;
            }
            ']' => {
                translated.push(']');
                in_class = false;
            }
            _ => translated.push(c),
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_ends_mean_what_they_mean_in_python() {
        let route = Pattern::search(r"^api/ticket/\Z").unwrap();
        assert!(route.matches("api/ticket/"));
        assert!(!route.matches("api/ticket/\n"));
        let regex_route = Pattern::search(r"^api/ticket/$").unwrap();
        assert!(regex_route.matches("api/ticket/"));
        assert!(regex_route.matches("api/ticket/\n"));
        assert!(!regex_route.matches("api/ticket/x"));
    }

    #[test]
    fn a_match_starts_at_the_start() {
        let pattern = Pattern::at_start(r"https://\w+\.test|http://x[$[]").unwrap();
        assert!(pattern.matches("https://app.test.evil"));
        assert!(pattern.matches("http://x["));
        assert!(!pattern.matches("xhttps://app.test"));
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_named() {
        assert!(Pattern::search("(").unwrap_err().to_string().contains("\"(\""));
    }
}
