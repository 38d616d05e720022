//! `[upstream]`: Django behind us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::{
    layer::Layers,
    mask::without_login,
    origin::Origin,
    problem::{Code, Problem},
    values::Values,
    websocket::size,
};
use crate::upstream::{Address, HoldOptions, UpstreamOptions};

const MEND: &str = "[upstream]\nurl = \"http://127.0.0.1:8000\"        # where uvicorn, Daphne or gunicorn listens";

/// What `[upstream]` says to the routes, too.
#[derive(Debug, Default)]
pub(super) struct UpstreamSettings {
    /// `None`: there is none, or its address cannot be used.
    pub(super) options: Option<UpstreamOptions>,
    /// Whether there is an address, good or not.
    pub(super) is_stated: bool,
    /// `hold`: for every proxied route that says nothing else.
    pub(super) hold: Option<HoldOptions>,
}

/// Reads the section.
pub(super) fn read(layers: &mut Layers) -> UpstreamSettings {
    check(layers);
    let listed = layers.values.texts("upstream.url").unwrap_or_default();
    let origin = layers.values.origin("upstream.url").clone();
    let is_stated = !listed.is_empty();
    let options = servers("upstream.url", &listed, &origin, layers).map(|servers| options(&layers.values, servers));
    UpstreamSettings { options, is_stated, hold: hold(&layers.values) }
}

/// The options for these servers: `[upstream]`'s own, or those that a route names.
pub(super) fn options(values: &Values, servers: Vec<Address>) -> UpstreamOptions {
    let default = UpstreamOptions::new(servers);
    let health_path = values.text("upstream.health_path").map(str::to_owned).filter(|path| !path.is_empty());
    let health_interval = if health_path.is_some() { UpstreamOptions::ASKING } else { default.health_interval };
    UpstreamOptions {
        connect_timeout: values.seconds("upstream.connect_timeout", default.connect_timeout),
        timeout: values.seconds("upstream.timeout", default.timeout),
        health_interval: values.seconds("upstream.health_interval", health_interval),
        health_path,
        health_host: None,
        servers: default.servers,
    }
}

/// The addresses; `None` where there is none, or one of them cannot be used, which is reported.
pub(super) fn servers(name: &str, listed: &[String], origin: &Origin, layers: &mut Layers) -> Option<Vec<Address>> {
    let mut servers = Vec::new();
    let mut good = !listed.is_empty();
    for text in listed {
        match Address::parse(text.trim()) {
            Ok(address) if servers.contains(&address) => {}
            Ok(address) => servers.push(address),
            Err(error) => {
                let sentence = format!("`{name}`: {:?} {error}", without_login(text));
                layers.problems.push(Problem::new(Code::Upstream, sentence).at(origin).mend(MEND));
                good = false;
            }
        }
    }
    good.then_some(servers)
}

fn hold(values: &Values) -> Option<HoldOptions> {
    values.given("upstream.hold")?;
    let time = values.seconds("upstream.hold", std::time::Duration::ZERO);
    let buffer = buffer(values);
    (!time.is_zero()).then_some(HoldOptions { time, buffer })
}

/// `hold_buffer`, for routes that say nothing else.
pub(super) fn buffer(values: &Values) -> usize {
    size(values, "upstream.hold_buffer", HoldOptions::DEFAULT_BUFFER)
}

fn check(layers: &mut Layers) {
    let mut problems = Vec::new();
    let values = &layers.values;
    for path in ["upstream.timeout", "upstream.connect_timeout", "upstream.health_interval"] {
        if values.given(path).is_some_and(|(value, _)| value.as_f64() == Some(0.0)) {
            let sentence = format!("`{path}` of zero leaves no time for an answer");
            problems.push(Problem::new(Code::Upstream, sentence).at(values.origin(path)));
        }
    }
    let is_path = |path: &str| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if let Some((Value::String(path), origin)) = values.given("upstream.health_path")
        && !path.is_empty()
        && !is_path(path)
    {
        let sentence = "`upstream.health_path` takes a path that starts with a slash, as a browser would send it";
        problems.push(Problem::new(Code::Upstream, sentence).at(origin).mend("[upstream]\nhealth_path = \"/health/\""));
    }
    layers.problems.extend(problems);
}

/// Reports servers that are this one: a request would go round until nothing is left to hold it.
pub(super) fn check_loop<'a>(
    bind: &str,
    servers: impl IntoIterator<Item = &'a Address>,
    origin: &Origin,
    layers: &mut Layers,
) {
    for address in servers {
        if is_bound(bind, address) {
            let sentence =
                format!("{address} is where sluicegate itself listens, so requests would go round in a loop");
            let mend = "--bind 127.0.0.1:8001 --upstream http://127.0.0.1:8000        # Django's own port";
            layers.problems.push(Problem::new(Code::Upstream, sentence).at(origin).mend(mend));
        }
    }
}

fn is_bound(bind: &str, address: &Address) -> bool {
    let Address::Tcp { host, port } = address else { return false };
    let Some((bound, bound_port)) = bind.rsplit_once(':') else { return false };
    if bound_port.parse() != Ok(*port) || *port == 0 {
        return false;
    }
    let (bound, named) = (addresses(bound), addresses(host));
    let is_own = |address: &IpAddr| address.is_loopback() || address.is_unspecified();
    named.iter().any(|address| {
        // Connecting to 0.0.0.0 reaches this machine.
        bound.contains(address)
            || (is_own(address) && bound.iter().any(|bound| bound.is_unspecified() || *bound == loopback(*address)))
    }) || host.eq_ignore_ascii_case(bind.rsplit_once(':').map_or("", |(host, _)| host))
}

/// What a host stands for, where that can be told without asking.
fn addresses(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    host.trim_matches(['[', ']']).parse().into_iter().collect()
}

/// Where a connection to the address ends up: 0.0.0.0 is 127.0.0.1.
fn loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_this_one_is_noticed() {
        let is_bound = |bind: &str, url: &str| is_bound(bind, &Address::parse(url).unwrap());
        for (bind, url) in [
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("127.0.0.1:8000", "http://localhost:8000"),
            ("localhost:8000", "http://127.0.0.1:8000"),
            ("0.0.0.0:8000", "http://127.0.0.1:8000"),
            ("[::]:8000", "http://127.0.0.1:8000"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("127.0.0.1:8000", "http://0.0.0.0:8000"),
            ("gate:8000", "http://gate:8000"),
            ("127.0.0.1:80", "http://localhost"),
        ] {
            assert!(is_bound(bind, url), "{bind} {url}");
        }
        for (bind, url) in [
            ("127.0.0.1:8001", "http://127.0.0.1:8000"),
            ("127.0.0.1:8000", "http://127.0.0.2:8000"),
            ("0.0.0.0:8000", "http://10.0.0.7:8000"),
            ("0.0.0.0:8000", "http://web:8000"),
            ("127.0.0.1:0", "http://127.0.0.1:8000"),
            ("127.0.0.1:8000", "unix:/run/django.sock"),
        ] {
            assert!(!is_bound(bind, url), "{bind} {url}");
        }
    }
}
