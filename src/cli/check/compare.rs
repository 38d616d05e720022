//! `--compare URL`: the same harmless requests to a running Django and to sluicegate, answer beside answer.
//!
//! None of them carries a token that is valid, so none issues a ticket or changes anything.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{code::Code, findings::Findings};
use crate::{app::App, causes::with_causes, settings::Settings};

/// An answer that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_BODY: usize = 1024 * 1024;

/// Headers that say nothing of the project: the server's own, and how the body is framed.
const IGNORED: [&str; 6] = ["date", "server", "connection", "keep-alive", "transfer-encoding", "content-length"];

type HttpsClient = Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<Bytes>>;

struct Probe {
    name: &'static str,
    method: &'static str,
    /// Added to the ticket view's path.
    suffix: &'static str,
    /// The last slash is taken off.
    without_slash: bool,
    headers: &'static [(&'static str, &'static str)],
}

const fn probe(name: &'static str, method: &'static str, headers: &'static [(&'static str, &'static str)]) -> Probe {
    Probe { name, method, suffix: "", without_slash: false, headers }
}

/// Three parts that no key has signed.
const UNSIGNED: &str = "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiMSJ9.AAAA";

const PROBES: [Probe; 18] = [
    probe("no token", "GET", &[]),
    probe("a token that is none", "GET", &[("authorization", "Bearer garbage")]),
    probe("a token that nobody signed", "GET", &[("authorization", UNSIGNED)]),
    probe("three words", "GET", &[("authorization", "Bearer a b")]),
    probe("another scheme", "GET", &[("authorization", "Basic YTpi")]),
    probe("HEAD", "HEAD", &[]),
    probe("POST", "POST", &[]),
    probe("DELETE", "DELETE", &[]),
    probe("OPTIONS", "OPTIONS", &[]),
    probe(
        "a CORS preflight",
        "OPTIONS",
        &[("origin", "https://elsewhere.example"), ("access-control-request-method", "GET")],
    ),
    probe("another origin", "GET", &[("origin", "https://elsewhere.example")]),
    probe("Accept: application/json; indent=2", "GET", &[("accept", "application/json; indent=2")]),
    probe("Accept: image/png", "GET", &[("accept", "image/png")]),
    probe("German", "GET", &[("accept-language", "de")]),
    Probe { suffix: "?format=json", ..probe("?format=json", "GET", &[]) },
    Probe { suffix: "?format=none", ..probe("?format=none", "GET", &[]) },
    Probe { without_slash: true, ..probe("no slash at the end", "GET", &[]) },
    Probe { suffix: "nothing-here/", ..probe("a path that is not there", "GET", &[]) },
];

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

pub(super) async fn compare(mut settings: Settings, url: &str, findings: &mut Findings) {
    let django: Uri = match url.parse() {
        Ok(uri) if Uri::scheme(&uri).is_some() && Uri::authority(&uri).is_some() => uri,
        _ => return impossible(findings, format!("{url:?} is not a URL such as http://127.0.0.1:8000")),
    };
    let Some(path) = settings.http.views.first().and_then(|view| literal_path(&view.pattern)) else {
        return impossible(findings, "the ticket view is not served here, or its path has parameters".to_owned());
    };
    "127.0.0.1:0".clone_into(&mut settings.server.bind);
    let app = match Box::pin(App::build(settings)).await {
        Ok(app) => app,
        Err(error) => return impossible(findings, error.to_string()),
    };
    let ours: Uri = match format!("http://{}", app.address()).parse() {
        Ok(uri) => uri,
        Err(_) => return,
    };
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(app.run(async move { stopped.notified().await }));
    match client() {
        Ok(client) => {
            for probe in &PROBES {
                if !compare_one(&client, &django, &ours, &path, probe, findings).await {
                    break;
                }
            }
        }
        Err(error) => impossible(findings, format!("no TLS: {error}")),
    }
    stop.notify_one();
    let _ = running.await;
}

fn impossible(findings: &mut Findings, what: String) {
    findings.add(Code::CompareImpossible, "compare", what);
}

fn client() -> std::io::Result<HttpsClient> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Answers whether it is worth going on.
async fn compare_one(
    client: &HttpsClient,
    django: &Uri,
    ours: &Uri,
    path: &str,
    probe: &Probe,
    findings: &mut Findings,
) -> bool {
    let host = django.authority().map(ToString::to_string).unwrap_or_default();
    let path = if probe.without_slash { path.trim_end_matches('/') } else { path };
    let path = format!("{path}{}", probe.suffix);
    let part = format!("compare, {}", probe.name);
    let (theirs, here) =
        tokio::join!(send(client, django, &host, &path, probe), send(client, ours, &host, &path, probe));
    match (theirs, here) {
        (Ok(theirs), Ok(here)) => {
            let differences = differences(&theirs, &here);
            if differences.is_empty() {
                findings.ok(&part, &format!("{} and the same answer", here.status));
            } else {
                findings.add(Code::CompareDiffers, &part, differences.join("\n"));
            }
        }
        (Err(NoAnswer { sentence, connected: false }), _) => {
            impossible(findings, format!("no connection to Django at {host}: {sentence}"));
            return false;
        }
        (Err(error), _) => {
            findings.add(Code::CompareImpossible, &part, format!("Django: {}", error.sentence));
        }
        (_, Err(error)) => findings.add(Code::CompareImpossible, &part, format!("sluicegate: {}", error.sentence)),
    }
    true
}

struct NoAnswer {
    sentence: String,
    connected: bool,
}

impl NoAnswer {
    fn new(sentence: &impl ToString) -> Self {
        Self { sentence: sentence.to_string(), connected: true }
    }
}

async fn send(client: &HttpsClient, base: &Uri, host: &str, path: &str, probe: &Probe) -> Result<Answer, NoAnswer> {
    let uri = format!("{}://{}{path}", base.scheme_str().unwrap_or("http"), host_of(base));
    let method = Method::from_bytes(probe.method.as_bytes()).map_err(|error| NoAnswer::new(&error))?;
    let mut request = Request::builder().method(method).uri(uri).header("host", host);
    for (name, value) in probe.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::new()).map_err(|error| NoAnswer::new(&error))?;
    let exchange = async {
        let response = client
            .request(request)
            .await
            .map_err(|error| NoAnswer { sentence: with_causes(&error), connected: !error.is_connect() })?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_BODY).collect().await.map_err(|error| NoAnswer::new(&error))?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: compared(&parts.headers), body })
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(NoAnswer::new(&format!("no answer within {TIMEOUT:?}"))))
}

fn host_of(uri: &Uri) -> &str {
    uri.authority().map_or("", |authority| authority.as_str())
}

/// Lower-case name to values, joined; without those that say nothing of the project.
fn compared(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut compared: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        compared
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    compared
}

fn differences(theirs: &Answer, ours: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if theirs.status != ours.status {
        found.push(format!("status: Django {}, sluicegate {}", theirs.status, ours.status));
    }
    let names = theirs.headers.keys().chain(ours.headers.keys()).collect::<std::collections::BTreeSet<_>>();
    for name in names {
        let (django, here) = (theirs.headers.get(name), ours.headers.get(name));
        if django != here {
            let show = |value: Option<&String>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
            found.push(format!("{name}: Django {}, sluicegate {}", show(django), show(here)));
        }
    }
    if theirs.body != ours.body {
        let show = |body: &Bytes| String::from_utf8_lossy(body).chars().take(300).collect::<String>();
        found.push(format!("body: Django {:?}, sluicegate {:?}", show(&theirs.body), show(&ours.body)));
    }
    found
}

/// The path that an anchored pattern without parameters matches: `^api/auth/\Z` is `/api/auth/`.
pub(in crate::cli) fn literal_path(pattern: &str) -> Option<String> {
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix(r"\Z").or_else(|| inner.strip_suffix('$')).unwrap_or(inner);
    let mut path = String::from("/");
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => path.push(characters.next().filter(|next| !next.is_alphanumeric())?),
            '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' | '|' | '.' | '^' | '$' => return None,
            other => path.push(other),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    #[test]
    fn a_pattern_without_parameters_is_a_path() {
        assert_eq!(
            literal_path(r"^api/auth/auth_for_ws_connection/\Z").as_deref(),
            Some("/api/auth/auth_for_ws_connection/")
        );
        assert_eq!(literal_path(r"^api/v1\-beta/ticket$").as_deref(), Some("/api/v1-beta/ticket"));
        assert_eq!(literal_path(r"^(?P<tenant>[^/]+)/ticket/\Z"), None);
        assert_eq!(literal_path(r"^\d+/\Z"), None);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_once() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let uri: Uri = format!("http://{closed}").parse().unwrap();
        let mut findings = Findings::new(Form::Json);
        assert!(!compare_one(&client().unwrap(), &uri, &uri, "/", &PROBES[0], &mut findings).await);
        assert_eq!(findings.codes(), ["C951"]);
    }

    #[test]
    fn every_difference_is_named() {
        let answer = |status, header: &str, body: &'static str| Answer {
            status,
            headers: BTreeMap::from([("vary".to_owned(), header.to_owned())]),
            body: Bytes::from_static(body.as_bytes()),
        };
        assert!(differences(&answer(401, "Accept", "x"), &answer(401, "Accept", "x")).is_empty());
        let found = differences(&answer(401, "Accept", "x"), &answer(403, "origin", "y"));
        assert_eq!(
            found,
            [
                "status: Django 401, sluicegate 403",
                "vary: Django \"Accept\", sluicegate \"origin\"",
                "body: Django \"x\", sluicegate \"y\""
            ]
        );
    }
}
