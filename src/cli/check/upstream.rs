//! Whether the servers behind sluicegate answer, and whose word about the client they are given.

use std::{collections::BTreeSet, time::Instant};

use http_body_util::Empty;
use hyper::{Request, StatusCode, body::Bytes, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{code::Code, findings::Findings, took};
use crate::{
    causes::with_causes,
    consumer::RouteKind,
    settings::Settings,
    upstream::{Address, Stream, UpstreamOptions},
};

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let own = settings.routes.iter().filter_map(|route| match &route.kind {
        RouteKind::Proxy(proxy) => proxy.upstream.as_ref(),
        RouteKind::Rust(_) | RouteKind::Declared(_) => None,
    });
    let mut asked = BTreeSet::new();
    for options in settings.upstream.iter().chain(own) {
        for address in &options.servers {
            if asked.insert(address.to_string()) {
                ask(address, options, settings, findings).await;
            }
        }
    }
    if !asked.is_empty() {
        note_forwarded(settings, findings);
    }
}

/// A connection, and a GET that changes nothing.
async fn ask(address: &Address, options: &UpstreamOptions, settings: &Settings, findings: &mut Findings) {
    let part = format!("upstream, {address}");
    let begun = Instant::now();
    let stream = match timeout(options.connect_timeout, Stream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return findings.add(Code::UpstreamUnreachable, &part, format!("cannot be connected to: {error}"));
        }
        Err(_) => {
            let what = format!("accepts no connection within {:?}", options.connect_timeout);
            return findings.add(Code::UpstreamUnreachable, &part, what);
        }
    };
    let path = options.health_path.as_deref().unwrap_or("/");
    match timeout(options.timeout, get(stream, path, &host(address, settings))).await {
        Ok(Ok(status)) if options.health_path.is_some() && !(status.is_success() || status.is_redirection()) => {
            let what = format!("answers GET {path} with {status}, so it is passed over");
            findings.add(Code::UpstreamUnhealthy, &part, what);
        }
        Ok(Ok(status)) => findings.ok(&part, &format!("answers GET {path} with {status}, in {}", took(begun))),
        Ok(Err(error)) => {
            findings.add(Code::UpstreamSilent, &part, format!("does not answer GET {path} in HTTP: {error}"));
        }
        Err(_) => {
            findings.add(
                Code::UpstreamSilent,
                &part,
                format!("does not answer GET {path} within {:?}", options.timeout),
            );
        }
    }
}

async fn get(stream: Stream, path: &str, host: &str) -> Result<StatusCode, String> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| with_causes(&error))?;
    let driver = tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| with_causes(&error))?;
    let answer = sender.send_request(request).await;
    driver.abort();
    answer.map(|answer| answer.status()).map_err(|error| with_causes(&error))
}

/// A name that Django lets in, so that its log does not complain of the request.
fn host(address: &Address, settings: &Settings) -> String {
    let allowed = settings.http.allowed_hosts.iter().find(|host| !host.contains('*'));
    match (allowed, address) {
        (Some(host), _) => host.trim_start_matches('.').to_owned(),
        (None, Address::Tcp { host, port }) => format!("{host}:{port}"),
        (None, Address::Unix(_)) => "localhost".to_owned(),
    }
}

/// What Django believes of a proxy's headers, and nobody has said whose they may be.
fn note_forwarded(settings: &Settings, findings: &mut Findings) {
    if settings.server.limits.trusted_proxies.is_some() {
        return;
    }
    let http = &settings.http;
    let believed: Vec<_> = [
        (http.secure_proxy_ssl_header.is_some(), "SECURE_PROXY_SSL_HEADER"),
        (http.use_x_forwarded_host, "USE_X_FORWARDED_HOST"),
        (http.use_x_forwarded_port, "USE_X_FORWARDED_PORT"),
    ]
    .into_iter()
    .filter_map(|(is_set, name)| is_set.then_some(name))
    .collect();
    if !believed.is_empty() {
        let what =
            format!("Django believes what {} says, and nobody has stated whose word counts", believed.join(" and "));
        findings.add(Code::ForwardedUnstated, "upstream", what);
    }
}
