//! Whether a page of this origin may connect. Matches channels 4.3.2, security/websocket.py, `OriginValidator`.

mod url_parts;

use super::options::OriginPolicy;
use url_parts::UrlParts;

/// The origin validators, with their entries parsed once.
#[derive(Clone, Debug)]
pub(crate) struct OriginCheck {
    allowed: Option<Vec<Entry>>,
}

#[derive(Clone, Debug)]
enum Entry {
    /// `*`
    Any,
    /// No scheme: only the host counts.
    Host(String),
    /// Scheme, host and port count. `None` as port: a scheme without a default port. No host matches nothing.
    Origin { scheme: String, host: Option<String>, port: Option<u16> },
    /// An entry on which Python raises, so that no handshake that reaches it gets through.
    Raises,
}

impl OriginCheck {
    pub(crate) fn new(policy: &OriginPolicy) -> Self {
        let allowed = match policy {
            OriginPolicy::NotChecked => None,
            OriginPolicy::Allowed(entries) => Some(entries.iter().map(|entry| Entry::parse(entry)).collect()),
        };
        Self { allowed }
    }

    /// Whether a handshake with this `Origin` header may go on. `origin` is the header's value, decoded as ISO-8859-1.
    ///
    /// Where Python raises (and uvicorn answers 500) the answer is no.
    pub(crate) fn allows(&self, origin: Option<&str>) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        let Ok(origin) = origin.map(UrlParts::parse).transpose() else { return false };
        if origin.is_none() && !allowed.iter().any(|entry| matches!(entry, Entry::Any)) {
            return false;
        }
        for entry in allowed {
            match entry.matches(origin.as_ref()) {
                Some(true) => return true,
                Some(false) => {}
                None => return false,
            }
        }
        false
    }
}

impl Entry {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::Any;
        }
        let Ok(parts) = UrlParts::parse(&entry.to_lowercase()) else { return Self::Raises };
        if parts.scheme.is_empty() {
            let Ok(host) = UrlParts::parse(&format!("//{entry}")) else { return Self::Raises };
            return Self::Host(host.hostname.unwrap_or_else(|| entry.to_owned()).to_lowercase());
        }
        match port_of(&parts) {
            Ok(port) => Self::Origin { scheme: parts.scheme, host: parts.hostname, port },
            Err(_) => Self::Raises,
        }
    }

    /// `match_allowed_origin`; `None` where it raises.
    fn matches(&self, origin: Option<&UrlParts>) -> Option<bool> {
        if matches!(self, Self::Any) {
            return Some(true);
        }
        let Some(origin) = origin else { return Some(false) };
        let host = match (self, &origin.hostname) {
            (Self::Raises, _) => return None,
            (_, None) => return Some(false),
            (_, Some(host)) => host,
        };
        match self {
            Self::Host(pattern) => Some(is_same_domain(host, pattern)),
            Self::Origin { scheme, host: pattern, port } => {
                let origin_port = port_of(origin).ok()?;
                let same_host = pattern.as_ref().is_some_and(|pattern| is_same_domain(host, pattern));
                Some(*scheme == origin.scheme && *port == origin_port && same_host)
            }
            Self::Any | Self::Raises => None,
        }
    }
}

/// `get_origin_port`: the port, or the scheme's own.
fn port_of(parts: &UrlParts) -> Result<Option<u16>, url_parts::ValueError> {
    Ok(parts.port()?.or(match parts.scheme.as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }))
}

/// django/utils/http.py, `is_same_domain`, with a `pattern` in lower case.
fn is_same_domain(host: &str, pattern: &str) -> bool {
    pattern == host || pattern.strip_prefix('.').is_some_and(|domain| host.ends_with(pattern) || host == domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[&str]) -> OriginCheck {
        OriginCheck::new(&OriginPolicy::Allowed(entries.iter().map(|&entry| entry.to_owned()).collect()))
    }

    #[test]
    fn without_a_validator_every_origin_is_let_in() {
        let check = OriginCheck::new(&OriginPolicy::NotChecked);
        assert!(check.allows(None) && check.allows(Some("null")) && check.allows(Some("http://[")));
    }

    #[test]
    fn no_origin_header_needs_a_star() {
        assert!(!check(&["example.com"]).allows(None));
        assert!(check(&["example.com", "*"]).allows(None));
        assert!(!check(&[]).allows(None));
    }

    #[test]
    fn an_entry_without_a_scheme_counts_the_host_alone() {
        let check = check(&["testserver", ".example.com", "[::1]", "LOUD.test"]);
        for origin in [
            "http://testserver",
            "https://testserver:8443",
            "HTTP://TESTSERVER",
            "ftp://testserver",
            "http://user@testserver/path?query",
            "http://testserver:abc",
            "http://example.com",
            "https://a.b.example.com:1",
            "http://[::1]:8000",
            "http://loud.test",
            " http://testserver",
            "//testserver",
        ] {
            assert!(check.allows(Some(origin)), "{origin}");
        }
        for origin in [
            "testserver",
            "null",
            "",
            "file://",
            "http://testserver@evil.test",
            "http://testserver.evil.test",
            "http://notexample.com",
            "http://example.com.",
            "http://[::1",
            "http://[nonsense]",
        ] {
            assert!(!check.allows(Some(origin)), "{origin}");
        }
    }

    #[test]
    fn an_entry_with_a_scheme_counts_scheme_host_and_port() {
        let check = check(&["https://app.test", "http://port.test:8080", "HTTP://.Sub.test"]);
        for origin in ["https://app.test", "https://app.test:443", "http://port.test:8080", "http://a.sub.test:80"] {
            assert!(check.allows(Some(origin)), "{origin}");
        }
        for origin in [
            "http://app.test",
            "https://app.test:444",
            "http://port.test",
            "https://port.test:8080",
            "http://app.test:443",
        ] {
            assert!(!check.allows(Some(origin)), "{origin}");
        }
        assert!(!check.allows(Some("https://app.test:abc")), "Python raises");
        assert!(!check.allows(Some("https://app.test:65536")), "Python raises");
    }

    #[test]
    fn a_host_with_a_port_reads_as_a_scheme_and_matches_nothing() {
        assert!(!check(&["localhost:8000"]).allows(Some("http://localhost:8000")));
    }

    #[test]
    fn entries_are_tried_in_order_up_to_the_one_that_raises() {
        assert!(check(&["a.test", "http://[", "*"]).allows(Some("http://a.test")));
        assert!(!check(&["http://[", "*"]).allows(Some("http://a.test")));
        assert!(check(&["http://[", "*"]).allows(None), "without an Origin no entry is parsed");
    }
}
