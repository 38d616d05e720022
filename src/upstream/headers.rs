//! Every rule about headers that pass between the client and Django, of requests, handshakes and answers.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use super::{Ambiguous, Peer};
use crate::{networks, trace::Trace};

const FORWARDED: &str = "forwarded";
const X_FORWARDED: &str = "x-forwarded-";
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: &str = "x-real-ip";

/// What belongs to one connection and not to the message (RFC 9110, 7.6.1), and `Expect`, which the server answers.
/// Names that start with `proxy-` belong to it too.
const HOP_BY_HOP: [&str; 8] =
    ["connection", "expect", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// What `Connection` cannot take out of a request: the proxy before us set it, or it decides what the request means.
const KEPT: [&str; 9] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "set-cookie",
    X_REAL_IP,
];

/// Whose word counts about the client's address, the scheme and the host.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    /// `[limits] trusted_proxies`.
    trusted_proxies: Option<Vec<(IpAddr, u8)>>,
    /// The header that `SECURE_PROXY_SSL_HEADER` names.
    ssl_header: Option<HeaderName>,
}

/// From whom a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// A proxy that tells the truth.
    Trusted,
    /// A client that writes what it likes. Only where it is known which proxies there are.
    Untrusted,
    /// It is not stated which proxies there are, and this is not one on this machine. Django hears what it would hear if
    /// it were reached directly: uvicorn believes neither address nor scheme of such a sender, and Django itself the
    /// header that `SECURE_PROXY_SSL_HEADER` names.
    Unknown,
}

impl Forwarding {
    /// `trusted_proxies`: `[limits]`; `ssl_header`: the WSGI name in `SECURE_PROXY_SSL_HEADER`, such as
    /// `HTTP_X_FORWARDED_PROTO`.
    pub(crate) fn new(trusted_proxies: Option<Vec<(IpAddr, u8)>>, ssl_header: Option<&str>) -> Self {
        let ssl_header = ssl_header.and_then(|name| name.strip_prefix("HTTP_"));
        let ssl_header = ssl_header.and_then(|name| HeaderName::from_bytes(name.replace('_', "-").as_bytes()).ok());
        Self { trusted_proxies, ssl_header }
    }

    /// The headers under which a request or a handshake is passed on: without those of the client's connection and of its
    /// body's coding, with exactly one `Host`, and with the `X-Forwarded-*` that Django may believe.
    ///
    /// # Errors
    ///
    /// The request can be read in two ways.
    pub(crate) fn request_headers(&self, head: &Parts, peer: Peer) -> Result<HeaderMap, Ambiguous> {
        Ambiguous::check(head)?;
        let named = self.named_by_connection(&head.headers);
        let sender = self.sender(peer.remote);
        let mut headers = without(&head.headers, |name| {
            is_hop_by_hop(name)
                || named.iter().any(|named| named == name)
                || self.is_lookalike(name)
                || (sender == Sender::Untrusted && self.is_of_a_proxy(name))
        });
        if !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, host(head, peer));
        }
        let is_believed = sender == Sender::Trusted
            || (sender == Sender::Unknown && self.ssl_header.as_ref() == Some(&X_FORWARDED_PROTO));
        if !is_believed || (peer.is_tls && !headers.contains_key(X_FORWARDED_PROTO)) {
            // uvicorn would believe us.
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(peer.scheme()));
        }
        if sender != Sender::Trusted || !headers.contains_key(X_FORWARDED_FOR) {
            headers.insert(X_FORWARDED_FOR, value(peer.remote.to_string()));
        }
        if let Some(trace) = head.extensions.get::<Trace>() {
            trace.pass_on(&mut headers);
        }
        Ok(headers)
    }

    /// Takes from an answer what belongs to the connection that it came by.
    pub(crate) fn clean_answer(&self, headers: &mut HeaderMap) {
        let named = self.named_by_connection(headers);
        let is_coded = headers.contains_key(header::TRANSFER_ENCODING);
        *headers = without(headers, |name| {
            is_hop_by_hop(name)
                || named.iter().any(|named| named == name)
                || (is_coded && name == header::CONTENT_LENGTH.as_str())
        });
    }

    fn sender(&self, address: IpAddr) -> Sender {
        match &self.trusted_proxies {
            Some(networks) if networks::hold(networks, address) => Sender::Trusted,
            Some(_) => Sender::Untrusted,
            None if address.to_canonical().is_loopback() => Sender::Trusted,
            None => Sender::Unknown,
        }
    }

    /// Whether a proxy before us writes that header, and a client must not.
    fn is_of_a_proxy(&self, name: &str) -> bool {
        name.starts_with(X_FORWARDED)
            || matches!(name, FORWARDED | X_REAL_IP)
            || self.ssl_header.as_ref().is_some_and(|header| header.as_str() == name)
    }

    /// What `Connection` says to be its own.
    fn named_by_connection(&self, headers: &HeaderMap) -> Vec<HeaderName> {
        headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| !KEPT.contains(&name.as_str()) && !self.is_of_a_proxy(name.as_str()))
            .collect()
    }

    /// WSGI knows no difference between `X_Forwarded_For` and `X-Forwarded-For`, so a client could speak as a proxy.
    fn is_lookalike(&self, name: &str) -> bool {
        let folded = name.contains('_').then(|| name.replace('_', "-"));
        folded.is_some_and(|name| self.is_of_a_proxy(&name) || KEPT.contains(&name.as_str()) || is_hop_by_hop(&name))
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || name.starts_with("proxy-")
}

/// The headers whose name is not `unwanted`, in their order.
fn without(headers: &HeaderMap, unwanted: impl Fn(&str) -> bool) -> HeaderMap {
    let mut wanted = HeaderMap::with_capacity(headers.keys_len() + 2);
    for (name, value) in headers {
        if !unwanted(name.as_str()) {
            wanted.append(name, value.clone());
        }
    }
    wanted
}

/// The host of a request without a `Host`: that of its target, or where the client reached us.
fn host(head: &Parts, peer: Peer) -> HeaderValue {
    match head.uri.authority() {
        Some(authority) => value(authority.as_str().to_owned()),
        None if peer.local.port() == (if peer.is_tls { 443 } else { 80 }) && peer.local.is_ipv4() => {
            value(peer.local.ip().to_string())
        }
        None => value(peer.local.to_string()),
    }
}

/// What an address or an authority is as a header: no byte of either is forbidden.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
