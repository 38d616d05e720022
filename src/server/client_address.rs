//! Who connects, where trusted proxies stand between.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::networks;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address: `peer`, or, where that is a trusted proxy, the last address of `X-Forwarded-For` that is not.
///
/// Only what a trusted proxy wrote counts: the header is read from its end, and no further than to the first address
/// that is not trusted. As uvicorn's `ProxyHeadersMiddleware` reads it.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: Option<&[(IpAddr, u8)]>) -> IpAddr {
    let peer = peer.to_canonical();
    let Some(trusted) = trusted else { return peer };
    let mut client = peer;
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
    for line in lines.into_iter().rev() {
        let Ok(line) = line.to_str() else { return client };
        for entry in line.rsplit(',') {
            if !networks::hold(trusted, client) {
                return client;
            }
            match parse(entry.trim()) {
                Some(address) => client = address,
                None => return client,
            }
        }
    }
    client
}

/// An address, or an address with a port, as some proxies write.
fn parse(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str], trusted: &[(&str, u8)]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|(network, prefix)| (network.parse().unwrap(), *prefix)).collect();
        client_address(peer.parse().unwrap(), &headers, Some(&trusted)).to_string()
    }

    #[test]
    fn the_header_counts_only_from_a_trusted_proxy() {
        assert_eq!(client("9.9.9.9", &["1.1.1.1"], &[("10.0.0.0", 8)]), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &["1.1.1.1"], &[("10.0.0.0", 8)]), "1.1.1.1");
        let headers = HeaderMap::new();
        assert_eq!(client_address("9.9.9.9".parse().unwrap(), &headers, None).to_string(), "9.9.9.9");
    }

    #[test]
    fn what_a_client_wrote_itself_does_not_count() {
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], &[("10.0.0.0", 8)]), "1.1.1.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "1.1.1.1"], &[("10.0.0.0", 8)]), "1.1.1.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, unknown"], &[("10.0.0.0", 8)]), "10.0.0.1");
    }

    #[test]
    fn addresses_are_read_with_ports_and_in_both_families() {
        let trusted = [("::1", 128), ("127.0.0.0", 8), ("fd00::", 8)];
        assert_eq!(client("::1", &["[2001:db8::1]:4711"], &trusted), "2001:db8::1");
        assert_eq!(client("::ffff:127.0.0.1", &["1.1.1.1:80"], &trusted), "1.1.1.1");
        assert_eq!(client("fd12::1", &["[2001:db8::1]"], &trusted), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["::ffff:1.1.1.1"], &[("0.0.0.0", 0)]), "1.1.1.1");
    }
}
