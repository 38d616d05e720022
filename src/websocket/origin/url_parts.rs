//! `urllib.parse.urlparse`, as far as origins need it: scheme, host and port (CPython 3.11).

use std::net::Ipv6Addr;

/// Where Python raises `ValueError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UrlParts {
    /// In lower case; empty: none.
    pub(super) scheme: String,
    /// `hostname`: in lower case, without brackets.
    pub(super) hostname: Option<String>,
    port: Option<String>,
}

impl UrlParts {
    pub(super) fn parse(url: &str) -> Result<Self, ValueError> {
        let url = url.trim_start_matches(|character: char| character <= ' ');
        let url: String = url.chars().filter(|character| !matches!(character, '\t' | '\r' | '\n')).collect();
        let (scheme, rest) = split_scheme(&url);
        let netloc = match rest.strip_prefix("//") {
            Some(rest) => &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())],
            None => "",
        };
        if netloc.contains('[') != netloc.contains(']') {
            return Err(ValueError);
        }
        let host_and_port = netloc.rsplit_once('@').map_or(netloc, |(_, after)| after);
        let (host, port) = match host_and_port.split_once('[') {
            Some((_, bracketed)) => {
                let (host, after) = bracketed.split_once(']').unwrap_or((bracketed, ""));
                (host, after.split_once(':').map_or("", |(_, port)| port))
            }
            None => host_and_port.split_once(':').unwrap_or((host_and_port, "")),
        };
        if let Some((_, bracketed)) = netloc.split_once('[') {
            check_bracketed_host(bracketed.split_once(']').map_or(bracketed, |(host, _)| host))?;
        }
        let (name, zone) = host.find('%').map_or((host, ""), |at| host.split_at(at));
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            hostname: (!host.is_empty()).then(|| name.to_lowercase() + zone),
            port: (!port.is_empty()).then(|| port.to_owned()),
        })
    }

    /// The property `port`.
    pub(super) fn port(&self) -> Result<Option<u16>, ValueError> {
        match &self.port {
            None => Ok(None),
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                let digits = port.trim_start_matches('0');
                if digits.is_empty() { Ok(Some(0)) } else { digits.parse().map(Some).map_err(|_| ValueError) }
            }
            Some(_) => Err(ValueError),
        }
    }
}

fn split_scheme(url: &str) -> (&str, &str) {
    match url.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) =>
        {
            (scheme, rest)
        }
        _ => ("", url),
    }
}

/// `_check_bracketed_host`: an IPv6 address, or RFC 3986's `IPvFuture`.
fn check_bracketed_host(host: &str) -> Result<(), ValueError> {
    let is_valid = if let Some(future) = host.strip_prefix('v') {
        future.split_once('.').is_some_and(|(version, rest)| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit()) && !rest.is_empty()
        })
    } else {
        let (address, zone) = host.split_once('%').unwrap_or((host, "none"));
        address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && !zone.contains('%')
    };
    if is_valid { Ok(()) } else { Err(ValueError) }
}
