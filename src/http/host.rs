//! `request.get_host()` and `ALLOWED_HOSTS` (Django 5.2, http/request.py).

use http::{HeaderName, header};

use super::{options::HttpOptions, request::DjangoRequest};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Django's `DisallowedHost`: the host is no host name, or is not in `ALLOWED_HOSTS`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DisallowedHost;

/// Matches `HttpRequest.get_host`: the host as sent, port included, if its name is allowed.
pub(super) fn get_host(request: &DjangoRequest, options: &HttpOptions) -> Result<String, DisallowedHost> {
    let host = raw_host(request, options);
    let lowered = host.to_ascii_lowercase();
    let domain = split_domain(&lowered).ok_or(DisallowedHost)?;
    if validate_host(domain, &options.allowed_hosts) { Ok(host) } else { Err(DisallowedHost) }
}

/// Matches `HttpRequest._get_raw_host`.
fn raw_host(request: &DjangoRequest, options: &HttpOptions) -> String {
    if options.use_x_forwarded_host
        && let Some(host) = request.header(&X_FORWARDED_HOST)
    {
        return host;
    }
    if let Some(host) = request.header(&header::HOST) {
        return host;
    }
    let forwarded = if options.use_x_forwarded_port { request.header(&X_FORWARDED_PORT) } else { None };
    let port = forwarded.unwrap_or_else(|| request.peer.local.port().to_string());
    let host = request.peer.local.ip().to_string();
    if port == (if request.secure { "443" } else { "80" }) { host } else { format!("{host}:{port}") }
}

/// Matches `split_domain_port`: the name without its port and one trailing dot; `None` if `host` (in lower case) is
/// neither `[a-z0-9.-]+` nor an IPv6 address in brackets, or has a port that is no number, or is a dot alone.
fn split_domain(host: &str) -> Option<&str> {
    let end = if let Some(rest) = host.strip_prefix('[') {
        let inner = rest.split(']').next().unwrap_or_default();
        let (before, after) = inner.split_once(':')?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let valid = before.chars().all(hex)
            && !after.is_empty()
            && after.chars().all(|c| hex(c) || c == '.' || c == ':')
            && rest.len() > inner.len();
        valid.then_some(inner.len() + 2)?
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (domain, port) = host.split_at(end);
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    if !domain.starts_with('[') && !domain.chars().all(named) {
        return None;
    }
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    (port_is_valid && !domain.is_empty()).then_some(domain)
}

/// Matches `validate_host` and django/utils/http.py, `is_same_domain`.
fn validate_host(domain: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|pattern| {
        if pattern == "*" {
            return true;
        }
        let pattern = pattern.to_lowercase();
        if let Some(parent) = pattern.strip_prefix('.') {
            return domain.ends_with(&pattern) || domain == parent;
        }
        !pattern.is_empty() && domain == pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_and_one_trailing_dot_are_taken_off() {
        assert_eq!(split_domain("example.com:8000"), Some("example.com"));
        assert_eq!(split_domain("example.com."), Some("example.com"));
        assert_eq!(split_domain("example.com..:80"), Some("example.com."));
        assert_eq!(split_domain("[::1]:80"), Some("[::1]"));
        assert_eq!(split_domain("[::ffff:127.0.0.1]"), Some("[::ffff:127.0.0.1]"));
    }

    #[test]
    fn what_is_no_host_name_has_no_domain() {
        for host in
            ["", ".", "a_b", "a b", "a:", "a:b", "a:80:80", "[::1", "[1]", "[::1]x", "[:]", "[g::1]", "é", "a,b"]
        {
            assert_eq!(split_domain(host), None, "{host}");
        }
    }

    #[test]
    fn a_leading_dot_allows_the_domain_and_what_is_below_it() {
        let allowed = [".Example.com".to_owned(), "[::1]".to_owned()];
        for domain in ["example.com", "a.b.example.com", "[::1]"] {
            assert!(validate_host(domain, &allowed), "{domain}");
        }
        for domain in ["badexample.com", "example.org", "com"] {
            assert!(!validate_host(domain, &allowed), "{domain}");
        }
        assert!(validate_host("anything", &["*".to_owned()]));
        assert!(!validate_host("anything", &[String::new()]));
    }
}
