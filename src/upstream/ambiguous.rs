//! Requests that two servers may read in two ways: they go no further.
//!
//! What hyper has read is sent on in hyper's own spelling, so a request can only be taken for two where its head says
//! two things. hyper itself refuses line breaks and NUL in values, folded lines, spaces before the colon, lengths that
//! are no plain number or differ, and codings that do not end in `chunked`; of two equal lengths it keeps one, and of a
//! length beside `chunked` none, with the connection closed after the answer.

use http::{Method, Version, header, request::Parts};

/// What is wrong with a request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ambiguous {
    #[error("CONNECT is not accepted: this is no forward proxy.")]
    Connect,
    #[error("There is no Host header.")]
    NoHost,
    #[error("There is more than one Host header.")]
    Hosts,
    #[error("The request's target names another host than the Host header.")]
    Target,
    #[error("The request's target is neither a path nor an http:// URL.")]
    Form,
    #[error("Content-Length and Transfer-Encoding contradict each other.")]
    Length,
    #[error("Transfer-Encoding is not just \"chunked\".")]
    Coding,
}

impl Ambiguous {
    /// Looks at the head of a request that is to be passed on.
    pub(super) fn check(head: &Parts) -> Result<(), Self> {
        if head.method == Method::CONNECT {
            return Err(Self::Connect);
        }
        let is_url = matches!(head.uri.scheme_str(), Some("http" | "https" | "ws" | "wss"));
        if head.uri.authority().is_some_and(|authority| !is_url || authority.as_str().contains('@')) {
            return Err(Self::Form);
        }
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Self::Hosts);
        }
        if host.is_none() && head.version != Version::HTTP_10 {
            return Err(Self::NoHost);
        }
        if let (Some(authority), Some(host)) = (head.uri.authority(), host)
            && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
        {
            return Err(Self::Target);
        }
        let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
        let coding = codings.next();
        if codings.next().is_some() || coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        {
            return Err(Self::Coding);
        }
        let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
        let length = lengths.next();
        let is_number = length.is_none_or(|length| length.as_bytes().iter().all(u8::is_ascii_digit));
        if lengths.next().is_some() || !is_number || (length.is_some() && coding.is_some()) {
            return Err(Self::Length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(method: &str, target: &str, version: Version, headers: &[(&str, &str)]) -> Result<(), Ambiguous> {
        let mut request = Request::builder().method(method).uri(target).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ambiguous::check(&request.body(()).unwrap().into_parts().0)
    }

    const HOST: (&str, &str) = ("host", "example.com");

    #[test]
    fn a_request_names_one_host() {
        let get = |target, headers: &[_]| check("GET", target, Version::HTTP_11, headers);
        assert_eq!(get("/", &[HOST]), Ok(()));
        assert_eq!(get("http://EXAMPLE.com/a", &[HOST]), Ok(()));
        assert_eq!(get("/", &[HOST, HOST]), Err(Ambiguous::Hosts));
        assert_eq!(get("/", &[HOST, ("host", "other")]), Err(Ambiguous::Hosts));
        assert_eq!(get("/", &[]), Err(Ambiguous::NoHost));
        for target in ["http://other/", "http://example.com:80/"] {
            assert_eq!(get(target, &[HOST]), Err(Ambiguous::Target), "{target}");
        }
        for target in ["http://user@example.com/", "ftp://example.com/", "example.com", "example.com:80"] {
            assert_eq!(get(target, &[HOST]), Err(Ambiguous::Form), "{target}");
        }
        assert_eq!(check("GET", "/", Version::HTTP_10, &[]), Ok(()));
        assert_eq!(check("CONNECT", "example.com:80", Version::HTTP_11, &[HOST]), Err(Ambiguous::Connect));
    }

    #[test]
    fn a_body_has_one_length() {
        let post = |headers: &[(&str, &str)]| check("POST", "/", Version::HTTP_11, &[&[HOST], headers].concat());
        let (five, chunked) = (("content-length", "5"), ("transfer-encoding", "chunked"));
        assert_eq!(post(&[five]), Ok(()));
        assert_eq!(post(&[chunked]), Ok(()));
        assert_eq!(post(&[("transfer-encoding", "Chunked")]), Ok(()));
        for ambiguous in [vec![five, five], vec![("content-length", "+5")], vec![five, chunked]] {
            assert_eq!(post(&ambiguous), Err(Ambiguous::Length), "{ambiguous:?}");
        }
        for coding in ["gzip, chunked", "xchunked", "chunked, identity", "chunked,chunked", "identity", ""] {
            assert_eq!(post(&[("transfer-encoding", coding)]), Err(Ambiguous::Coding), "{coding}");
        }
        assert_eq!(post(&[chunked, chunked]), Err(Ambiguous::Coding));
    }
}
