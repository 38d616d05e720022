//! `ConditionalGetMiddleware` (Django 5.2, middleware/http.py, utils/cache.py).

use std::fmt::Write;

use http::{HeaderMap, HeaderName, StatusCode, header};
use md5::{Digest, Md5};

use super::{answer::Answer, http_date::is_http_date, request::DjangoRequest};

/// Matches `ConditionalGetMiddleware.process_response`: an `ETag`, and 304 or 412 where the request asks for one.
///
/// Nothing here has a `Last-Modified`.
pub(super) fn answer_conditionally(request: &DjangoRequest, answer: Answer) -> Answer {
    let mut answer = answer;
    if request.method != "GET" {
        return answer;
    }
    if !answer.headers.contains_key(header::ETAG) && !answer.body.is_empty() {
        answer.set(header::ETAG, &etag(&answer.body));
    }
    let Some(etag) = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()) else { return answer };
    if !answer.status.is_success() {
        return answer;
    }
    let sent = |name: &HeaderName| request.header(name).unwrap_or_default();
    let if_match = parse_etags(&sent(&header::IF_MATCH));
    let strong = |candidate: &String| !etag.starts_with("W/") && candidate == etag;
    if !if_match.is_empty() && if_match != ["*"] && !if_match.iter().any(strong) {
        return precondition_failed();
    }
    if if_match.is_empty() && is_http_date(&sent(&header::IF_UNMODIFIED_SINCE)) {
        return precondition_failed();
    }
    let if_none_match = parse_etags(&sent(&header::IF_NONE_MATCH));
    // `strip("W/")` takes any of these letters off both ends, quotes not.
    let weak = |text: &str| text.trim_matches(['W', '/']).to_owned();
    if if_none_match == ["*"] || if_none_match.iter().any(|candidate| weak(candidate) == weak(etag)) {
        return not_modified(&answer);
    }
    answer
}

/// `quote_etag(md5(content))`.
fn etag(body: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for byte in Md5::digest(body) {
        // Writing to a String cannot fail.
        let _ = write!(quoted, "{byte:02x}");
    }
    quoted.push('"');
    quoted
}

/// Matches django/utils/http.py, `parse_etags`: what is no `ETag` is dropped.
fn parse_etags(text: &str) -> Vec<String> {
    if text.trim() == "*" {
        return vec!["*".to_owned()];
    }
    let valid = |etag: &&str| {
        let quoted = etag.strip_prefix("W/").unwrap_or(etag);
        quoted.len() >= 2
            && quoted
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .is_some_and(|inner| !inner.contains('"'))
    };
    text.split(',').map(str::trim).filter(valid).map(str::to_owned).collect()
}

/// `HttpResponse(status=412)`.
fn precondition_failed() -> Answer {
    Answer::html(StatusCode::PRECONDITION_FAILED, "")
}

/// `HttpResponseNotModified`, with the headers that RFC 9110 wants kept.
fn not_modified(answer: &Answer) -> Answer {
    let mut headers = HeaderMap::new();
    for name in [header::ETAG, header::VARY] {
        if let Some(value) = answer.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Answer { status: StatusCode::NOT_MODIFIED, headers, body: bytes::Bytes::new() }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// `md5(b"{}")`.
    const ETAG: &str = "\"99914b932bd37a50b983c5e7c90ae93b\"";

    fn answered(name: &str, value: &str) -> Answer {
        let parts = Request::builder().header(name, value).body(()).unwrap().into_parts().0;
        let mut answer = Answer::html(StatusCode::OK, "{}");
        answer.vary_on("Accept");
        answer_conditionally(&DjangoRequest::new(parts, None), answer)
    }

    #[test]
    fn the_etag_is_the_md5_of_the_body() {
        assert_eq!(answered("x", "y").headers[header::ETAG], ETAG);
    }

    #[test]
    fn a_known_etag_is_answered_with_304() {
        for value in [ETAG.to_owned(), format!("\"a\", W/{ETAG}"), "*".to_owned()] {
            let answer = answered("if-none-match", &value);
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
            assert_eq!(answer.headers.keys().collect::<Vec<_>>(), [header::ETAG, header::VARY]);
            assert!(answer.body.is_empty());
        }
        assert_eq!(answered("if-none-match", "\"a\"").status, StatusCode::OK);
    }

    #[test]
    fn a_failed_precondition_is_answered_with_412() {
        assert_eq!(answered("if-match", "\"a\"").status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(answered("if-match", ETAG).status, StatusCode::OK);
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(answered("if-unmodified-since", date).status, StatusCode::PRECONDITION_FAILED, "{date}");
        }
        assert_eq!(answered("if-unmodified-since", "soon").status, StatusCode::OK);
    }
}
