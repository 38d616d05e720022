//! An error's text for a person or a log.

/// An error and its causes in one line, the outermost first. A cause that the text before it ends with is not told twice.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |error| error.source()) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Silent {
        #[error("the cache did not answer")]
        Cache(#[source] Refused),
    }

    #[derive(Debug, thiserror::Error)]
    #[error("Redis at h:1: {source}")]
    struct Refused {
        source: std::io::Error,
    }

    #[test]
    fn each_cause_is_told_once() {
        let error = Silent::Cache(Refused { source: std::io::Error::other("the login was refused") });
        assert_eq!(with_causes(&error), "the cache did not answer: Redis at h:1: the login was refused");
    }
}
