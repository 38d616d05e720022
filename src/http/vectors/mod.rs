//! Every recorded answer of the ticket view, given again in process: status, all headers in their order, body.

mod behaviour;
mod differences;
pub(super) mod overlay;
pub(super) mod stores;

use std::{fs, net::IpAddr, path::Path, sync::Arc};

use axum::{Router, body::Body};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tower_service::Service;

use self::{
    differences::{DIFFERENCES, Difference, REFUSED_AT_START},
    stores::{KeptTickets, RecordedUsers, counted_requests},
};
use super::{HttpParts, HttpState, router};
use crate::{access_token::Verifier, upstream::Peer};

/// `http-jwk-url.json` is not among them: it needs a server that hands out key sets, and `access_token` plays it.
const FILES: [&str; 14] = [
    "http-algorithms.json",
    "http-auth-classes.json",
    "http-authorization-header.json",
    "http-content-negotiation.json",
    "http-cors.json",
    "http-drf-settings.json",
    "http-hosts.json",
    "http-methods.json",
    "http-middleware.json",
    "http-paths.json",
    "http-security-headers.json",
    "http-simplejwt-settings.json",
    "http-token-claims.json",
    "http-token-structure.json",
];

/// Headers that belong to the connection, which recordings leave out.
const OF_THE_SERVER: [&str; 6] = ["date", "server", "connection", "transfer-encoding", "content-length", "keep-alive"];

fn vector(file: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a JSON file")
}

/// What came back.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: String,
    tickets: Vec<String>,
}

/// The recorded project with the recording's settings, asked once.
async fn ask(case: &Json, users: &Json, secret_key: &str) -> Answered {
    let (mut options, mut access_token) = overlay::base(secret_key);
    let user_id_field = overlay::apply(&case["settings"], &mut options, &mut access_token);
    let model = case["user_model"].as_str().unwrap_or("default");
    let tickets = Arc::new(KeptTickets::default());
    let state = HttpState::new(HttpParts {
        needs: crate::ticket::Needs::default(),
        ask_paths: crate::consumer::ask::OwnPaths::default(),
        gate: crate::admission::Gates::default().tickets,
        upstream: None,
        forwarding: Arc::default(),
        verifier: Arc::new(Verifier::new(access_token).expect("good keys")),
        options,
        users: Arc::new(RecordedUsers::new(users, model, &user_id_field)),
        tickets: tickets.clone(),
        throttles: counted_requests(),
        layer: None,
        health_path_prefix: String::new(),
        metrics: Arc::default(),
    })
    .expect("good patterns");
    let response = send(router(state), request(&case["request"])).await;
    let tickets = tickets.0.lock().unwrap().iter().map(|(ticket, _)| ticket.clone()).collect();
    Answered { tickets, ..response }
}

async fn send(mut router: Router, request: Request<Body>) -> Answered {
    let response = router.call(request).await.expect("the router never fails");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answered {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
        tickets: Vec::new(),
    }
}

fn request(recorded: &Json) -> Request<Body> {
    let mut request = Request::builder()
        .method(recorded["method"].as_str().expect("a method"))
        .uri(recorded["target"].as_str().expect("a target"))
        .body(Body::empty())
        .expect("a request");
    for header in recorded["headers"].as_array().expect("headers") {
        let name = HeaderName::from_bytes(header[0].as_str().expect("a name").as_bytes()).expect("a name");
        let value: Vec<u8> = header[1].as_str().expect("a value").chars().map(|c| u8::try_from(c).unwrap()).collect();
        request.headers_mut().append(name, HeaderValue::from_bytes(&value).expect("a value"));
    }
    let local = IpAddr::from([127, 0, 0, 1]);
    request.extensions_mut().insert(Peer::new(local, (local, 8000).into(), false));
    request
}

/// The answer as text, to compare and to show.
fn shown(status: u16, headers: impl Iterator<Item = (String, String)>, body: &str) -> String {
    let headers = headers.filter(|(name, _)| !OF_THE_SERVER.contains(&name.as_str()));
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{status}\n{}\n\n{body}", headers.join("\n"))
}

/// `None` if the answer is the recorded one.
fn compare(case: &Json, answered: &Answered) -> Option<String> {
    let expect = &case["expect"];
    let body = match (expect["body"].as_str(), expect["body_regex"].as_str()) {
        (Some(body), _) => body.to_owned(),
        (None, Some(pattern)) => {
            // Written by Python's re.escape, which escapes blanks and line breaks too.
            let pattern = pattern.replace("\\\n", "\n").replace("\\ ", " ");
            let matches = fancy_regex::Regex::new(&pattern).unwrap().is_match(&answered.body).unwrap();
            if matches { answered.body.clone() } else { pattern }
        }
        (None, None) => return Some(format!("nothing is recorded of the body: {expect}")),
    };
    let recorded = expect["headers"].as_object().expect("headers");
    let recorded = recorded.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or("?").to_owned()));
    let given = answered.headers.iter().map(|(name, value)| {
        (name.to_string(), value.as_bytes().iter().map(|&byte| char::from(byte)).collect::<String>())
    });
    let status = u16::try_from(expect["status"].as_u64().expect("a status")).unwrap();
    let (expected, given) = (shown(status, recorded, &body), shown(answered.status, given, &answered.body));
    (expected != given).then(|| format!("expected {expected}\n\ngot {given}"))
}

/// Whether a ticket was stored exactly if one was recorded, and is the one in the body.
fn compare_ticket(expected: bool, method: &str, answered: &Answered) -> Option<String> {
    let fits = match answered.tickets.as_slice() {
        [] => !expected,
        [ticket] => expected && (method == "HEAD" || answered.body.contains(ticket)),
        _ => false,
    };
    (!fits).then(|| format!("{} tickets stored, {expected} expected", answered.tickets.len()))
}

/// `None` if the answer is the one that stands in for Django's.
fn compare_difference(difference: &Difference, answered: &Answered) -> Option<String> {
    let fits = answered.status == difference.status
        && answered.body.contains(difference.body)
        && answered.headers["content-type"] == "application/json";
    (!fits).then(|| format!("instead of {}: {} {}", difference.reason, answered.status, answered.body))
}

#[tokio::test]
async fn every_recorded_answer_is_given_again() {
    let (users, keys) = (vector("users.json"), vector("keys.json"));
    let secret_key = keys["SECRET_KEY"].as_str().expect("a key");
    let (mut same, mut different, mut failures) = (0, 0, Vec::new());
    for file in FILES {
        for case in vector(file)["cases"].as_array().expect("cases") {
            let name = case["name"].as_str().expect("a name");
            if let Some((.., reason)) = REFUSED_AT_START.iter().find(|(of, known, _)| *of == file && *known == name) {
                println!("not asked: {file}: {name}: {reason}");
                continue;
            }
            let answered = ask(case, &users, secret_key).await;
            let difference = DIFFERENCES.iter().find(|known| known.file == file && known.names.contains(&name));
            let problem = compare(case, &answered);
            let (problem, ticket) = if let Some(difference) = difference {
                different += 1;
                assert!(problem.is_some(), "{file}: {name} is no difference any more");
                (compare_difference(difference, &answered), difference.status == 200)
            } else {
                same += 1;
                (problem, case["ticket_issued"] == true)
            };
            let method = case["request"]["method"].as_str().unwrap_or_default();
            let problem = problem.or_else(|| compare_ticket(ticket, method, &answered));
            failures.extend(problem.map(|problem| format!("{file}: {name}: {problem}")));
        }
    }
    println!("{same} recordings answered alike, {different} differently on purpose");
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n\n"));
    let named: usize = DIFFERENCES.iter().map(|difference| difference.names.len()).sum();
    assert_eq!(different, named, "a difference names a recording that does not exist");
}
