//! Which names the admin address and the demo answer to.
//!
//! A page of another site must not be able to ask, by a name that its owner points to this machine (DNS rebinding). An
//! address, and `localhost`, cannot be pointed elsewhere; any other name has to be stated.

use std::net::IpAddr;

/// Whether `host`, as a request's header has it, is an address, `localhost` or one of `stated`. These are as in
/// `ALLOWED_HOSTS`: a leading dot stands for the domain and all under it, `*` for any.
pub(crate) fn is_known<'a>(host: &str, mut stated: impl Iterator<Item = &'a str>) -> bool {
    let name = name_of(host);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || stated.any(|stated| !name.is_empty() && is_named(name, stated))
}

fn is_named(name: &str, stated: &str) -> bool {
    let (name, stated) = (name.to_ascii_lowercase(), stated.to_ascii_lowercase());
    match stated.strip_prefix('.') {
        Some(domain) => name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => stated == "*" || name == stated,
    }
}

/// A host without its port.
pub(crate) fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_can_point_here_are_refused() {
        let stated = ["workstation", ".example.com"];
        let is_known = |host| is_known(host, stated.into_iter());
        for host in [
            "localhost:8001",
            "LOCALHOST",
            "127.0.0.1:8001",
            "[::1]:8001",
            "[::1]",
            "192.168.0.7",
            "workstation:1",
            "example.com",
            "Admin.Example.com:9000",
        ] {
            assert!(is_known(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example:8001",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:x",
            "x@localhost",
            "notexample.com",
            "example.com.evil.example",
        ] {
            assert!(!is_known(host), "{host}");
        }
    }

    #[test]
    fn a_star_stands_for_any_name() {
        assert!(is_known("anything.example", ["*"].into_iter()));
    }
}
