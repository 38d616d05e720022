//! The regular expressions of a project's settings, written for Python's `re`.

use fancy_regex::Regex;

use crate::python;

/// A pattern that this program cannot compile.
#[derive(Debug, thiserror::Error)]
#[error("the regular expression {pattern:?} cannot be used: {cause}")]
pub(crate) struct PatternError {
    pattern: String,
    cause: String,
}

/// A Python pattern.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// `re.search`.
    pub(crate) fn search(pattern: &str) -> Result<Self, PatternError> {
        Self::compile(pattern, "")
    }

    /// `re.match`: from the start of the text.
    pub(crate) fn at_start(pattern: &str) -> Result<Self, PatternError> {
        Self::compile(pattern, r"\A")
    }

    fn compile(pattern: &str, before: &str) -> Result<Self, PatternError> {
        let translated = python::translate_regex(pattern);
        let regex = translated.and_then(|translated| {
            // Alone first: a stray bracket must not close the group around it.
            Regex::new(&translated).map_err(|error| error.to_string())?;
            Regex::new(&format!("{before}(?:{translated})")).map_err(|error| error.to_string())
        });
        regex.map(Self).map_err(|cause| PatternError { pattern: pattern.to_owned(), cause })
    }

    /// Whether `text` matches. A match that takes too many steps is none.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
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
        for pattern in ["(", "a)|(b", "(?a)^https://x$"] {
            let said = Pattern::at_start(pattern).unwrap_err().to_string();
            assert!(said.contains(&format!("{pattern:?}")), "{said}");
        }
    }
}
