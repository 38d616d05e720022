//! The query string of a request to the admin address.

use url::form_urlencoded;

/// What of a query string the listings read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn new(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The text of a name; `None` where it is missing or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The number of a name, up to `most`.
    ///
    /// # Errors
    ///
    /// A sentence that says what it is to be.
    pub(super) fn number(&self, name: &str, default: u64, most: u64) -> Result<u64, String> {
        match self.text(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if number <= most => Ok(number),
            Some(_) => Err(format!("`{name}` is a number from 0 to {most}.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded() {
        let query = Query::new(Some("limit=20&offset=x&user=J%C3%BCrgen+M"));
        assert_eq!(query.number("limit", 5, 20), Ok(20));
        assert_eq!(query.number("missing", 5, 20), Ok(5));
        assert!(query.number("limit", 5, 19).is_err() && query.number("offset", 0, 9).is_err());
        assert_eq!(query.text("user"), Some("Jürgen M"));
    }
}
