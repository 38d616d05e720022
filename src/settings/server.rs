//! `bind`, `[server]`, `[health]` and `[limits]`.

use std::{net::IpAddr, path::PathBuf};

use super::{
    layer::Layers,
    problem::{Code, Problem},
    tls,
    websocket::size,
};
use crate::{
    admission::{AdmissionOptions, Rate},
    server::{LimitOptions, ServerOptions},
};

/// Where it listens by itself.
pub(super) const DEFAULT_BIND: &str = "127.0.0.1:8001";

/// Fills in the options.
pub(super) fn read(layers: &mut Layers) -> ServerOptions {
    let bind = layers.values.text_or("bind", DEFAULT_BIND);
    if !is_address(&bind) {
        let sentence = format!("`bind` takes an address and a port, not {bind:?}");
        let problem = Problem::new(Code::BadValue, sentence).at(layers.values.origin("bind"));
        layers.problems.push(problem.mend("bind = \"0.0.0.0:8001\""));
    }
    let health_path_prefix = health_path_prefix(layers);
    let tls = tls::read(layers);
    let default = ServerOptions::default();
    ServerOptions {
        bind,
        health_path_prefix,
        limits: limits(layers),
        drain: layers.values.seconds("server.drain_seconds", default.drain),
        handover: path(layers, "server.handover"),
        tls,
    }
}

fn path(layers: &Layers, name: &str) -> Option<PathBuf> {
    layers.values.text(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// `host:port`, with the host as a name, an address, or an IPv6 address in brackets.
pub(super) fn is_address(bind: &str) -> bool {
    let Some((host, port)) = bind.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (bracketed || !host.contains(':')) && port.parse::<u16>().is_ok()
}

fn health_path_prefix(layers: &mut Layers) -> String {
    let prefix = layers.values.text_or("health.path_prefix", "");
    let prefix = prefix.trim_end_matches('/').to_owned();
    let plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
    if prefix.is_empty() || (prefix.starts_with('/') && plain && !prefix.contains("//")) {
        return prefix;
    }
    let problem = Problem::new(Code::BadValue, "`health.path_prefix` takes a path that starts with a slash")
        .at(layers.values.origin("health.path_prefix"));
    layers.problems.push(problem.mend("[health]\npath_prefix = \"/internal\""));
    String::new()
}

fn limits(layers: &mut Layers) -> LimitOptions {
    let default = LimitOptions::default();
    let trusted_proxies = trusted_proxies(layers);
    let admission = admission(layers);
    let values = &layers.values;
    let connections = |path| values.integer(path).and_then(|number| usize::try_from(number).ok());
    let limits = LimitOptions {
        header_bytes: size(values, "limits.header_bytes", default.header_bytes),
        url_bytes: size(values, "limits.url_bytes", default.url_bytes),
        handshake_timeout: values.seconds("limits.handshake_timeout", default.handshake_timeout),
        send_timeout: values.seconds("limits.send_timeout", default.send_timeout),
        connections: connections("limits.connections"),
        connections_per_user: connections("limits.connections_per_user"),
        connections_per_address: connections("limits.connections_per_address"),
        admission,
        trusted_proxies,
    };
    let mut problems = Vec::new();
    if limits.connections_per_address.is_some() && limits.trusted_proxies.is_none() {
        let sentence =
            "`limits.connections_per_address` counts clients by address, and behind a proxy all have the proxy's";
        let mend = "[limits]\ntrusted_proxies = [\"10.0.0.0/8\"]        # whose X-Forwarded-For counts; [] if there is no proxy";
        let origin = values.origin("limits.connections_per_address");
        problems.push(Problem::new(Code::Limits, sentence).at(origin).mend(mend));
    }
    for (path, time) in
        [("limits.handshake_timeout", limits.handshake_timeout), ("limits.send_timeout", limits.send_timeout)]
    {
        if time.is_zero() {
            let sentence = format!("`{path}` of zero would refuse everyone");
            problems.push(Problem::new(Code::Limits, sentence).at(values.origin(path)));
        }
    }
    for (path, bytes) in [("limits.header_bytes", limits.header_bytes), ("limits.url_bytes", limits.url_bytes)] {
        if bytes < 1024 {
            let sentence = format!("`{path}` of less than 1 KiB would refuse ordinary handshakes");
            problems.push(Problem::new(Code::Limits, sentence).at(values.origin(path)));
        }
    }
    layers.problems.extend(problems);
    limits
}

fn admission(layers: &mut Layers) -> AdmissionOptions {
    let default = AdmissionOptions::default();
    let handshakes = rate(layers, "limits.handshakes_per_second", "limits.handshakes_burst");
    let tickets = rate(layers, "limits.tickets_per_second", "limits.tickets_burst");
    let values = &layers.values;
    let options = AdmissionOptions {
        handshakes,
        tickets,
        at_once: size(values, "limits.at_once", default.at_once),
        waiting: size(values, "limits.waiting", default.waiting),
        wait: values.seconds("limits.wait", default.wait),
        share_users: values.boolean("limits.share_users", default.share_users),
    };
    if options.at_once == 0 {
        let problem = Problem::new(Code::Limits, "`limits.at_once` of zero would refuse everyone");
        layers.problems.push(problem.at(values.origin("limits.at_once")));
    }
    if options.wait.is_zero() && options.waiting > 0 && values.is_stated("limits.wait") {
        let sentence = "`limits.wait` of zero lets nobody wait: `limits.waiting = 0` says so";
        let problem = Problem::new(Code::Limits, sentence).at(values.origin("limits.wait"));
        layers.problems.push(problem.mend("[limits]\nwaiting = 0"));
    }
    options
}

/// A rate, and what is let in at once after a quiet time: as many as in a second, where nothing is stated.
fn rate(layers: &mut Layers, per_second: &'static str, burst: &'static str) -> Option<Rate> {
    let number = |path| layers.values.integer(path).and_then(|number| u32::try_from(number).ok());
    match (number(per_second), number(burst)) {
        (Some(0), _) => {
            let sentence = format!("`{per_second}` of zero would refuse everyone");
            let problem = Problem::new(Code::Limits, sentence).at(layers.values.origin(per_second));
            layers.problems.push(problem);
            None
        }
        (Some(number), burst) => Some(Rate { per_second: number.into(), burst: burst.unwrap_or(number).max(1) }),
        (None, None) => None,
        (None, Some(_)) => {
            let sentence = format!("`{burst}` says nothing without `{per_second}`");
            let problem = Problem::new(Code::Limits, sentence).at(layers.values.origin(burst));
            layers.problems.push(problem.mend("[limits]\nhandshakes_per_second = 500\nhandshakes_burst = 1000"));
            None
        }
    }
}

fn trusted_proxies(layers: &mut Layers) -> Option<Vec<(IpAddr, u8)>> {
    let listed = layers.values.texts("limits.trusted_proxies")?;
    let mut networks = Vec::new();
    for text in &listed {
        if let Some(network) = network(text) {
            networks.push(network);
        } else {
            let sentence = format!("`limits.trusted_proxies` takes addresses and networks, not {text:?}");
            let problem = Problem::new(Code::BadValue, sentence).at(layers.values.origin("limits.trusted_proxies"));
            layers.problems.push(problem.mend("[limits]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]"));
        }
    }
    Some(networks)
}

/// `10.0.0.0/8`, or an address alone.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.trim().parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.trim().parse().ok())?;
    (bits <= most).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_with_an_optional_length() {
        assert_eq!(network("10.0.0.0/8"), Some(("10.0.0.0".parse().unwrap(), 8)));
        assert_eq!(network("::1"), Some(("::1".parse().unwrap(), 128)));
        for bad in ["10.0.0.0/33", "10.0.0/8", "host", "", "10.0.0.0/", "::1/129"] {
            assert_eq!(network(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_to_bind_has_a_port() {
        for good in ["127.0.0.1:8001", "localhost:0", "[::1]:80", "0.0.0.0:65535"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["8001", ":8001", "127.0.0.1", "::1:80", "host:port", "host:65536"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
