//! Which headers reach Django, and which the client.

use std::net::IpAddr;

use http::{HeaderMap, Request, Version};

use crate::upstream::{Forwarding, Peer};

/// The headers that are passed on, sorted, `name: value` each.
fn passed(forwarding: &Forwarding, peer: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let mut request = Request::builder().uri("/");
    for (name, value) in [&[("Host", "example.com")], headers].concat() {
        request = request.header(name, value);
    }
    let peer = Peer::new(peer.parse().unwrap(), "10.0.0.9:8001".parse().unwrap(), false);
    lines(&forwarding.request_headers(&request.body(()).unwrap().into_parts().0, peer).unwrap())
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "host")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

fn trusting(networks: &[(&str, u8)]) -> Forwarding {
    let networks = networks.iter().map(|(network, bits)| (network.parse::<IpAddr>().unwrap(), *bits));
    Forwarding::new(Some(networks.collect()), Some("HTTP_X_SCHEME"))
}

const FROM_A_PROXY: [(&str, &str); 7] = [
    ("X-Forwarded-For", "1.1.1.1, 2.2.2.2"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "www.example.com"),
    ("X-Forwarded-Port", "443"),
    ("Forwarded", "for=1.1.1.1"),
    ("X-Real-IP", "1.1.1.1"),
    ("X-Scheme", "https"),
];

#[test]
fn a_trusted_proxys_word_is_passed_on_as_it_came() {
    let mut expected: Vec<_> =
        FROM_A_PROXY.iter().map(|(name, value)| format!("{}: {value}", name.to_lowercase())).collect();
    expected.sort();
    assert_eq!(passed(&trusting(&[("10.0.0.0", 8)]), "10.0.0.1", &FROM_A_PROXY), expected);
    assert_eq!(passed(&trusting(&[("10.0.0.0", 8)]), "::ffff:10.0.0.1", &FROM_A_PROXY), expected);
    assert_eq!(passed(&Forwarding::default(), "127.0.0.1", &FROM_A_PROXY), expected, "as uvicorn trusts this machine");
    assert_eq!(passed(&Forwarding::default(), "::1", &FROM_A_PROXY), expected);
    assert_eq!(passed(&trusting(&[("10.0.0.0", 8)]), "10.0.0.1", &[]), ["x-forwarded-for: 10.0.0.1"]);
}

#[test]
fn a_client_does_not_speak_for_a_proxy() {
    let from_a_client = ["x-forwarded-for: 9.9.9.9", "x-forwarded-proto: http"];
    let forwarding = trusting(&[("10.0.0.0", 8)]);
    assert_eq!(passed(&forwarding, "9.9.9.9", &FROM_A_PROXY), from_a_client);
    assert_eq!(passed(&forwarding, "9.9.9.9", &[]), from_a_client);
    assert_eq!(passed(&trusting(&[]), "127.0.0.1", &[]), ["x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"]);
}

#[test]
fn where_no_proxy_is_stated_django_hears_what_it_would_hear_without_us() {
    let forged = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Scheme", "https"),
        ("X-Real-IP", "1.1.1.1"),
    ];
    let seen = |ssl_header| passed(&Forwarding::new(None, ssl_header), "9.9.9.9", &forged);
    let (scheme, address) = ("x-scheme: https", "x-real-ip: 1.1.1.1");
    // uvicorn, which believes this machine, would believe the scheme that we pass on.
    let refused = ["x-forwarded-for: 9.9.9.9", "x-forwarded-proto: http", address, scheme];
    assert_eq!(seen(None), refused);
    assert_eq!(seen(Some("HTTP_X_SCHEME")), refused);
    let believed = ["x-forwarded-for: 9.9.9.9", "x-forwarded-proto: https", address, scheme];
    assert_eq!(seen(Some("HTTP_X_FORWARDED_PROTO")), believed, "Django itself believes it from anybody");
}

#[test]
fn names_that_wsgi_folds_onto_a_proxys_are_dropped() {
    let lookalikes = [
        ("X_Forwarded_For", "6.6.6.6"),
        ("X-Forwarded_Proto", "https"),
        ("X_SCHEME", "https"),
        ("X_Real-IP", "6.6.6.6"),
        ("Content_Length", "3"),
        ("Transfer_Encoding", "chunked"),
        ("My_Header", "kept"),
    ];
    assert_eq!(
        passed(&trusting(&[("10.0.0.0", 8)]), "10.0.0.1", &lookalikes),
        ["my_header: kept", "x-forwarded-for: 10.0.0.1"]
    );
}

#[test]
fn what_belongs_to_the_clients_connection_stays_there() {
    let headers = [
        ("Connection", "keep-alive, X-Own, Upgrade"),
        ("Connection", "X-Forwarded-For, Cookie,Host , X-Scheme, content-length"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic x"),
        ("TE", "trailers"),
        ("Trailer", "X-Sum"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("X-Own", "1"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("Content-Length", "0"),
        ("X-Scheme", "https"),
        ("X-Forwarded-For", "1.1.1.1"),
        ("Accept", "*/*"),
    ];
    assert_eq!(
        passed(&trusting(&[("10.0.0.0", 8)]), "10.0.0.1", &headers),
        [
            "accept: */*",
            "content-length: 0",
            "cookie: a=1",
            "cookie: b=2",
            "x-forwarded-for: 1.1.1.1",
            "x-scheme: https"
        ]
    );
}

#[test]
fn a_request_without_a_host_names_where_it_was_sent_to() {
    for (target, local, host) in [
        ("/", "10.0.0.9:8001", "10.0.0.9:8001"),
        ("/", "10.0.0.9:80", "10.0.0.9"),
        ("/", "[::1]:8001", "[::1]:8001"),
        ("/", "[::ffff:10.0.0.9]:8001", "10.0.0.9:8001"),
        ("http://example.com/", "10.0.0.9:80", "example.com"),
    ] {
        let head = Request::builder().version(Version::HTTP_10).uri(target).body(()).unwrap().into_parts().0;
        let peer = Peer::new([9, 9, 9, 9].into(), local.parse().unwrap(), false);
        assert_eq!(Forwarding::default().request_headers(&head, peer).unwrap()["host"], host);
    }
}

#[test]
fn an_answer_leaves_its_connections_headers_behind() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "close, x-own"),
        ("keep-alive", "timeout=5"),
        ("x-own", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("upgrade", "h2c"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("www-authenticate", "Basic"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    Forwarding::default().clean_answer(&mut headers);
    assert_eq!(lines(&headers), ["set-cookie: a=1", "set-cookie: b=2", "www-authenticate: Basic"]);
}
