//! Which names the demo answers to.
//!
//! It hands tokens to whoever asks, so a page of another site must not be able to ask: by a name that its owner points
//! to this machine (DNS rebinding). An address, and `localhost`, cannot be pointed elsewhere.

use std::net::IpAddr;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode, header},
    middleware::{self, Next},
};

/// `router`, for requests to this machine alone. `bind` is the address as the user gave it.
pub(super) fn only_this_machine(router: Router, bind: &str) -> Router {
    let bound = name_of(bind).to_owned();
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let is_known = host.is_some_and(|host| is_this_machine(host, &bound));
        async move { if is_known { next.run(request).await } else { refusal() } }
    }))
}

fn is_this_machine(host: &str, bound: &str) -> bool {
    let name = name_of(host);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(bound)
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn refusal() -> Response<Body> {
    let mut response = Response::new(Body::from("The demo answers to addresses and to localhost only.\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_can_point_here_are_refused() {
        let is_known = |host| is_this_machine(host, name_of("workstation:8001"));
        for host in
            ["localhost:8001", "LOCALHOST", "127.0.0.1:8001", "[::1]:8001", "[::1]", "192.168.0.7", "workstation:1"]
        {
            assert!(is_known(host), "{host}");
        }
        for host in
            ["", "evil.example:8001", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:x", "x@localhost"]
        {
            assert!(!is_known(host), "{host}");
        }
    }
}
