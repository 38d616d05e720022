//! `CorsMiddleware` (django-cors-headers 4.9.0, middleware.py).

use std::net::Ipv6Addr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{
    answer::Answer,
    options::CorsOptions,
    pattern::{Pattern, PatternError},
    request::DjangoRequest,
};

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The middleware with its compiled patterns.
#[derive(Debug)]
pub(super) struct Cors {
    options: CorsOptions,
    urls: Pattern,
    origins: Vec<Origin>,
    origin_patterns: Vec<Pattern>,
}

/// What is compared of an origin: scheme in lower case, host and port as written.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    netloc: String,
}

impl Cors {
    /// Compiles `CORS_URLS_REGEX` and `CORS_ALLOWED_ORIGIN_REGEXES`.
    pub(super) fn new(options: &CorsOptions) -> Result<Self, PatternError> {
        let patterns = options.allowed_origin_regexes.iter().map(|regex| Pattern::at_start(regex));
        Ok(Self {
            urls: Pattern::at_start(&options.urls_regex)?,
            origins: options.allowed_origins.iter().filter_map(|origin| urlsplit(origin)).collect(),
            origin_patterns: patterns.collect::<Result<_, _>>()?,
            options: options.clone(),
        })
    }

    /// Matches `check_preflight`: any OPTIONS that asks for a method is answered here, whatever its path.
    pub(super) fn check_preflight(&self, request: &DjangoRequest) -> Option<Answer> {
        let preflight = self.is_enabled(request)
            && request.method == "OPTIONS"
            && request.has_header(&header::ACCESS_CONTROL_REQUEST_METHOD);
        preflight.then(|| {
            let mut answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
            answer.set(header::CONTENT_LENGTH, "0");
            answer.set(header::CONTENT_TYPE, "text/html; charset=utf-8");
            answer
        })
    }

    /// Matches `add_response_headers`.
    pub(super) fn add_response_headers(&self, request: &DjangoRequest, answer: &mut Answer) {
        if !self.is_enabled(request) {
            return;
        }
        answer.vary_on("origin");
        let Some(origin) = request.header(&header::ORIGIN).filter(|origin| !origin.is_empty()) else { return };
        let Some(url) = urlsplit(&origin) else { return };
        let options = &self.options;
        if !options.allow_all_origins && !self.is_allowed(&origin, &url) {
            return;
        }
        let any = options.allow_all_origins && !options.allow_credentials;
        answer.set(header::ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { &origin });
        if options.allow_credentials {
            answer.set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        if !options.expose_headers.is_empty() {
            answer.set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &options.expose_headers.join(", "));
        }
        if request.method == "OPTIONS" {
            answer.set(header::ACCESS_CONTROL_ALLOW_HEADERS, &options.allow_headers.join(", "));
            answer.set(header::ACCESS_CONTROL_ALLOW_METHODS, &options.allow_methods.join(", "));
            if options.preflight_max_age > 0 {
                answer.set(header::ACCESS_CONTROL_MAX_AGE, &options.preflight_max_age.to_string());
            }
        }
        if options.allow_private_network && request.header(&REQUEST_PRIVATE_NETWORK).as_deref() == Some("true") {
            answer.set(ALLOW_PRIVATE_NETWORK, "true");
        }
    }

    fn is_enabled(&self, request: &DjangoRequest) -> bool {
        self.urls.matches(&request.path)
    }

    /// Matches `origin_found_in_white_lists`.
    fn is_allowed(&self, origin: &str, url: &Origin) -> bool {
        self.origins.contains(url)
            || self.origin_patterns.iter().any(|pattern| pattern.matches(origin))
            || (origin == "null" && self.options.allowed_origins.iter().any(|allowed| allowed == "null"))
    }
}

/// Scheme and host of `urllib.parse.urlsplit(url)`; `None` where it raises `ValueError`.
fn urlsplit(url: &str) -> Option<Origin> {
    let url: String =
        url.trim_start_matches(|c: char| c <= ' ').chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    let rest = scheme.map_or(url.as_str(), |scheme| &url[scheme.len() + 1..]);
    let netloc = rest.strip_prefix("//").unwrap_or_default();
    let netloc = netloc.split(['/', '?', '#']).next().unwrap_or_default();
    if netloc.contains('[') != netloc.contains(']') {
        return None;
    }
    if let Some((_, bracketed)) = netloc.split_once('[') {
        let address = bracketed.split(']').next().unwrap_or_default();
        let address = address.split('%').next().unwrap_or_default();
        let future = address.starts_with('v') && address.contains('.');
        if !future && address.parse::<Ipv6Addr>().is_err() {
            return None;
        }
    }
    Some(Origin { scheme: scheme.unwrap_or_default().to_ascii_lowercase(), netloc: netloc.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(options: &CorsOptions, origin: &str) -> bool {
        urlsplit(origin).is_some_and(|url| Cors::new(options).unwrap().is_allowed(origin, &url))
    }

    #[test]
    fn scheme_host_and_port_are_compared_and_the_path_is_not() {
        let options = CorsOptions { allowed_origins: vec!["https://app.test".to_owned()], ..Default::default() };
        for origin in ["https://app.test", "HTTPS://app.test", "https://app.test/x?y"] {
            assert!(allowed(&options, origin), "{origin}");
        }
        for origin in ["https://App.test", "https://app.test:443", "http://app.test", "app.test", "null"] {
            assert!(!allowed(&options, origin), "{origin}");
        }
    }

    #[test]
    fn null_is_an_origin_only_where_it_is_listed() {
        let options = CorsOptions { allowed_origins: vec!["null".to_owned()], ..Default::default() };
        assert!(allowed(&options, "null"));
    }

    #[test]
    fn an_origin_that_is_no_url_is_not_allowed() {
        for origin in ["http://[::1", "http://::1]", "http://[x]", "http://[127.0.0.1]"] {
            assert_eq!(urlsplit(origin), None, "{origin}");
        }
        assert!(urlsplit("http://[::1]:80").is_some());
    }
}
