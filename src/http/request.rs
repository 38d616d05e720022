//! A request as Django's ASGI handler reads it (Django 5.2, core/handlers/asgi.py, `ASGIRequest`).

use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, HeaderName, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    python::unquote,
    trace::Trace,
    upstream::{ClientAddress, Peer},
};

/// `escape_uri_path`: what Python's `quote(path, safe="/:@&+$,-_.!~*'()")` escapes.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `iri_to_uri`: what Python's `quote(iri, safe="/#%[]=:;$&()+,!?*@'~")` escapes.
const IRI: &AsciiSet = &PATH.remove(b'#').remove(b'%').remove(b'[').remove(b']').remove(b'=').remove(b';').remove(b'?');

/// `HttpRequest`, as far as the ticket view's answers depend on it. The body is never read.
pub(super) struct DjangoRequest {
    /// Upper case.
    pub(super) method: String,
    /// `path_info`: percent-decoded, not UTF-8 replaced.
    pub(super) path: String,
    /// `QUERY_STRING`, as sent. May hold tokens: never logged.
    pub(super) query: String,
    headers: HeaderMap,
    pub(super) peer: Peer,
    /// Who asks, where trusted proxies stand between.
    pub(super) client: IpAddr,
    /// `is_secure()`: TLS ends here, or at a proxy whose header says so.
    pub(super) secure: bool,
    /// Its place in a trace; always there where a server is.
    pub(super) trace: Option<Trace>,
}

impl DjangoRequest {
    /// Reads a request's head. `proxy_ssl_header` is `SECURE_PROXY_SSL_HEADER`.
    pub(super) fn new(parts: Parts, proxy_ssl_header: Option<&(String, String)>) -> Self {
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or_default();
        let mut request = Self {
            method: parts.method.as_str().to_ascii_uppercase(),
            path: unquote(parts.uri.path()).into_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            client: parts.extensions.get::<ClientAddress>().map_or(peer.remote, |client| client.0),
            peer,
            trace: parts.extensions.get::<Trace>().copied(),
            // The connection's own scheme, whatever an absolute target claims: as uvicorn's `scope["scheme"]`.
            secure: peer.is_tls,
        };
        if let Some((name, secure_value)) = proxy_ssl_header
            && let Some(value) = header_of_meta(name).and_then(|name| request.header(&name))
        {
            // Only the leftmost value counts: django/http/request.py, `HttpRequest.scheme`.
            request.secure = value.split(',').next().unwrap_or_default().trim() == secure_value;
        }
        request
    }

    /// The bytes of a header; several of one name are joined with `,`, cookies too.
    pub(super) fn header_bytes(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.as_bytes();
        let mut joined = Cow::Borrowed(first);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        Some(joined)
    }

    /// [`Self::header_bytes`] as text: every byte is a character of ISO-8859-1.
    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        self.header_bytes(name).map(|bytes| latin1(&bytes))
    }

    /// Whether a header of that name was sent.
    pub(super) fn has_header(&self, name: &HeaderName) -> bool {
        self.headers.contains_key(name)
    }

    /// `get_full_path(force_append_slash)`.
    pub(super) fn full_path(&self, force_append_slash: bool) -> String {
        let mut full = utf8_percent_encode(&self.path, PATH).to_string();
        if force_append_slash && !self.path.ends_with('/') {
            full.push('/');
        }
        if !self.query.is_empty() {
            full.push('?');
            full.push_str(&iri_to_uri(&self.query));
        }
        full
    }
}

/// Matches django/utils/encoding.py, `iri_to_uri`.
pub(super) fn iri_to_uri(iri: &str) -> String {
    utf8_percent_encode(iri, IRI).to_string()
}

/// The header behind a name of WSGI's environ: `HTTP_X_AUTH` is `x-auth`. A header that was sent with `_` in its name
/// never counts, as in Django, since no name made here has one.
pub(super) fn header_of_meta(name: &str) -> Option<HeaderName> {
    let name = match name {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => name,
        _ => name.strip_prefix("HTTP_")?,
    };
    HeaderName::from_bytes(name.replace('_', "-").as_bytes()).ok()
}

/// Decodes ISO-8859-1.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(target: &str, headers: &[(&str, &str)]) -> DjangoRequest {
        let mut builder = Request::builder().uri(target);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let proxy = ("HTTP_X_FORWARDED_PROTO".to_owned(), "https".to_owned());
        DjangoRequest::new(builder.body(()).unwrap().into_parts().0, Some(&proxy))
    }

    #[test]
    fn headers_of_one_name_are_joined_with_a_comma() {
        let request = request("/", &[("accept", "a"), ("accept", "b"), ("cookie", "a=1"), ("cookie", "b=2")]);
        assert_eq!(request.header(&http::header::ACCEPT).as_deref(), Some("a,b"));
        assert_eq!(request.header(&http::header::COOKIE).as_deref(), Some("a=1,b=2"));
    }

    #[test]
    fn a_header_with_an_underscore_in_its_name_is_ignored() {
        let request = request("/", &[("x_auth", "Bearer x")]);
        assert_eq!(request.header(&header_of_meta("HTTP_X_AUTH").unwrap()), None);
    }

    #[test]
    fn the_full_path_is_quoted_again_and_keeps_the_query() {
        assert_eq!(request("/a%20b;c%2Fd?x=%2F&y=[1]", &[]).full_path(true), "/a%20b%3Bc/d/?x=%2F&y=[1]");
        assert_eq!(request("/a/", &[]).full_path(true), "/a/");
        assert_eq!(request("/%ff", &[]).full_path(false), "/%EF%BF%BD");
    }

    #[test]
    fn https_is_the_leftmost_value_of_the_proxys_header() {
        assert!(request("/", &[("x-forwarded-proto", " https , http")]).secure);
        assert!(!request("/", &[("x-forwarded-proto", "http, https")]).secure);
        assert!(!request("/", &[]).secure);
    }

    #[test]
    fn a_target_that_claims_https_is_not_secure() {
        assert!(!request("https://localhost/api/", &[]).secure);
        assert!(!request("https://localhost/api/", &[("x-forwarded-proto", "http")]).secure);
    }
}
