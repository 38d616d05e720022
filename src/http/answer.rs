//! An answer while it passes through the middleware, as Django's `HttpResponse` (Django 5.2, http/response.py).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// Status, headers in the order in which they were set, and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// `HttpResponse(body, status=status)`: HTML unless stated otherwise.
    pub(super) fn html(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut answer = Self { status, headers: HeaderMap::with_capacity(12), body: body.into() };
        answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        answer
    }

    /// `HttpResponsePermanentRedirect(location)`.
    pub(super) fn moved(location: &str) -> Self {
        let mut answer = Self::html(StatusCode::MOVED_PERMANENTLY, Bytes::new());
        answer.set(header::LOCATION, location);
        answer
    }

    /// `response[name] = value`: a header set again keeps its place.
    ///
    /// A value that no header can hold (a line break in a setting) is left out.
    pub(super) fn set(&mut self, name: HeaderName, value: &str) {
        if let Some(value) = header_value(value) {
            self.headers.insert(name, value);
        }
    }

    /// `response.headers.setdefault(name, value)`.
    pub(super) fn set_default(&mut self, name: HeaderName, value: &str) {
        if !self.headers.contains_key(&name) {
            self.set(name, value);
        }
    }

    /// Adds `name` to `Vary` unless it is there in any case.
    /// Matches django/utils/cache.py, `patch_vary_headers`.
    pub(super) fn vary_on(&mut self, name: &str) {
        let vary = match self.headers.get(header::VARY).and_then(|value| value.to_str().ok()) {
            None => name.to_owned(),
            Some(vary) if vary.split(',').any(|known| known.trim().eq_ignore_ascii_case(name)) => return,
            Some(vary) => format!("{vary}, {name}"),
        };
        self.set(header::VARY, &vary);
    }
}

/// `text` as a header's value: ISO-8859-1 as Django sends it, UTF-8 where that cannot hold it.
fn header_value(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
    }
    let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    HeaderValue::from_bytes(latin1.as_deref().unwrap_or(text.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_keeps_its_order_and_names_nothing_twice() {
        let mut answer = Answer::html(StatusCode::OK, "");
        for name in ["Accept", "Cookie", "accept", "origin"] {
            answer.vary_on(name);
        }
        assert_eq!(answer.headers[header::VARY], "Accept, Cookie, origin");
    }

    #[test]
    fn a_value_that_would_break_the_header_is_left_out() {
        let mut answer = Answer::html(StatusCode::OK, "");
        answer.set(header::LOCATION, "/\r\nset-cookie: a");
        assert_eq!(answer.headers.get(header::LOCATION), None);
    }
}
