//! The page, in one piece: nothing is loaded from elsewhere.

use aws_lc_rs::digest;
use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::answer::answer;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The document, and what a browser may do with it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    document: Bytes,
    policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Self {
        let document = HTML.replacen("/* page.css */", STYLE, 1).replacen("/* page.js */", SCRIPT, 1);
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            source(STYLE),
            source(SCRIPT),
        );
        // It is ASCII; a page without a policy would be none.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { document: document.into(), policy }
    }

    pub(super) fn response(&self) -> Response {
        let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", self.document.clone());
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

/// The source expression for exactly this text.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_document_that_its_policy_lets_run() {
        let page = Page::new();
        let document = std::str::from_utf8(&page.document).unwrap();
        let inside = |tag: &str| {
            let (_, rest) = document.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once(&format!("</{tag}>")).unwrap().0
        };
        let policy = page.policy.to_str().unwrap();
        assert!(policy.contains(&format!("style-src {};", source(inside("style")))), "{policy}");
        assert!(policy.contains(&format!("script-src {};", source(inside("script")))), "{policy}");
        assert_eq!(document.matches("<script").count(), 1);
        assert!(!document.contains("style=") && !document.contains("onclick="), "the policy lets these do nothing");
        let addresses = document.matches("http").count();
        assert_eq!(addresses, document.matches("http://www.w3.org/2000/svg").count(), "names of formats, and no host");
    }
}
