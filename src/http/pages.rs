//! Django's error pages (Django 5.2, views/defaults.py), or the project's own where they are the same for every request.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;

use super::answer::Answer;

/// The page for `status`: 400, 404 or 500.
pub(super) fn error_page(status: StatusCode, own: &BTreeMap<u16, String>) -> Answer {
    let body = own.get(&status.as_u16()).map_or_else(|| default_page(status), |page| Bytes::from(page.clone()));
    Answer::html(status, body)
}

/// `ERROR_PAGE_TEMPLATE` with title and details.
fn default_page(status: StatusCode) -> Bytes {
    let (title, details) = match status {
        StatusCode::NOT_FOUND => ("Not Found", "The requested resource was not found on this server."),
        StatusCode::BAD_REQUEST => ("Bad Request (400)", ""),
        _ => ("Server Error (500)", ""),
    };
    Bytes::from(format!(
        "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>{title}</title>\n</head>\n<body>\n  \
         <h1>{title}</h1><p>{details}</p>\n</body>\n</html>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_as_long_as_djangos() {
        for (status, length) in [(400, 143), (404, 179), (500, 145)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(error_page(status, &BTreeMap::new()).body.len(), length);
        }
    }

    #[test]
    fn a_project_may_have_a_page_of_its_own() {
        let own = BTreeMap::from([(404, "gone".to_owned())]);
        assert_eq!(error_page(StatusCode::NOT_FOUND, &own).body, "gone");
    }
}
