//! The admin address as a client sees it.

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Router, body::Body, extract::Request};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower_service::Service;

use super::{Access, AdminOptions, Board, router::router, server::Peer};
use crate::{
    secret::Secret,
    server::Site,
    websocket::{OpenSockets, Registry, tests::Setup},
};

const TOKEN: &str = "a token of the tests";

struct Admin {
    router: Router,
    board: Arc<Board>,
    _site: watch::Sender<Arc<Site<Router>>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Admin {
    fn new(token: Option<&str>) -> Self {
        let setup = Setup::new();
        let Site { websocket, health, layer, .. } = Arc::into_inner(setup.site()).unwrap();
        let (sender, site) = watch::channel(Arc::new(Site { http: Router::new(), websocket, health, layer }));
        let open = Arc::new(OpenSockets::new(Registry::new(Duration::from_millis(10)), 100, Arc::default()));
        let options = AdminOptions {
            bind: "127.0.0.1:0".to_owned(),
            token: token.map(Secret::new),
            allowed_hosts: vec!["admin.example.com".to_owned()],
        };
        let board = Arc::new(Board::new(Access::new(&options), open, Arc::default(), site));
        Self { router: router(Arc::clone(&board)), board, _site: sender }
    }

    async fn ask(&self, request: Request) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(Peer(IpAddr::from([127, 0, 0, 1])));
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(request(Method::GET, path, &[])).await
    }
}

fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    request.headers_mut().insert(header::HOST, "127.0.0.1:9001".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn it_answers_by_names_that_nobody_else_can_point_here() {
    let admin = Admin::new(None);
    for (host, status) in [
        ("127.0.0.1:9001", 200),
        ("[::1]:9001", 200),
        ("localhost:9001", 200),
        ("admin.example.com", 200),
        ("evil.example", 400),
        ("", 400),
    ] {
        let answer = admin.ask(request(Method::GET, "/api/v1/overview", &[("host", host)])).await;
        assert_eq!(answer.status, status, "{host}");
        let answer = admin.ask(request(Method::GET, "/healthz", &[("host", host)])).await;
        assert_eq!(answer.status, 200, "probes ask by any name");
    }
}

#[tokio::test]
async fn every_answer_keeps_out_caches_frames_and_other_sites() {
    let admin = Admin::new(None);
    for path in ["/api/v1/overview", "/healthz", "/readyz", "/metrics", "/nothing", "/api/v1/rates?after=x"] {
        let answer = admin.get(path).await;
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
        assert_eq!(header("x-frame-options").as_deref(), Some("DENY"), "{path}");
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert!(header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert_eq!(header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn it_is_said_who_may_change_something() {
    let admin = Admin::new(Some(TOKEN));
    let access = async |authorization: &str| {
        let request = request(Method::GET, "/api/v1/access", &[("authorization", authorization)]);
        admin.ask(request).await
    };
    let right = access(&format!("Bearer {TOKEN}")).await;
    assert_eq!((right.status, right.json()), (StatusCode::OK, json!({ "read_only": false })));
    let wrong = access("Bearer wrong").await;
    assert_eq!((wrong.status, &wrong.json()["code"]), (StatusCode::UNAUTHORIZED, &json!("wrong_token")));
    assert_eq!(admin.get("/api/v1/access").await.json()["code"], "no_token");
    let read_only = Admin::new(None).get("/api/v1/access").await;
    assert_eq!((read_only.status, &read_only.json()["code"]), (StatusCode::FORBIDDEN, &json!("read_only")));
}

#[tokio::test]
async fn a_token_that_a_reload_replaced_is_wrong() {
    let admin = Admin::new(Some("an old token of the tests"));
    let options = AdminOptions { bind: String::new(), token: Some(Secret::new(TOKEN)), allowed_hosts: Vec::new() };
    admin.board.set_access(Access::new(&options));
    for (token, status) in [(TOKEN, 200), ("an old token of the tests", 401)] {
        let authorization = format!("Bearer {token}");
        let request = request(Method::GET, "/api/v1/access", &[("authorization", authorization.as_str())]);
        assert_eq!(admin.ask(request).await.status, status);
    }
}

#[tokio::test]
async fn the_overview_tells_what_runs_and_no_secret() {
    let admin = Admin::new(Some(TOKEN));
    let answer = admin.get("/api/v1/overview").await;
    let overview = answer.json();
    assert_eq!(overview["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&overview["state"], &overview["read_only"]), (&json!("serving"), &json!(false)));
    assert_eq!(overview["sockets"], json!({ "open": 0, "most": 100, "routes": [], "without_ticket": 0 }));
    assert_eq!(overview["groups"], Value::Null);
    assert!(!answer.body.contains(TOKEN));
    admin.board.open.stop_admitting();
    assert_eq!(admin.get("/api/v1/overview").await.json()["state"], "draining");
}

#[tokio::test]
async fn who_asks_a_process_that_is_succeeded_is_not_told_that_it_drains() {
    let admin = Admin::new(None);
    admin.board.open.stop_admitting();
    assert_eq!(admin.get("/readyz").await.json()["status"], "draining");
    admin.board.open.succeeded();
    assert_eq!(admin.get("/readyz").await.json()["status"], "ok");
}

#[tokio::test]
async fn only_the_token_disconnects_and_only_by_json() {
    let admin = Admin::new(Some(TOKEN));
    let bearer = format!("Bearer {TOKEN}");
    let post = async |authorization: &str, media: &str, body: &'static str| {
        let headers = [("authorization", authorization), ("content-type", media)];
        let mut request = request(Method::POST, "/api/v1/disconnect", &headers);
        *request.body_mut() = Body::from(body);
        admin.ask(request).await
    };
    let done = post(&bearer, "application/json; charset=utf-8", r#"{"user": 7}"#).await;
    assert_eq!((done.status, done.json()), (StatusCode::OK, json!({ "closed": 0, "servers": 1 })));
    assert_eq!(post(&bearer, "application/json", r#"{"user": "7"}"#).await.status, 200);
    assert_eq!(post("Bearer wrong", "application/json", r#"{"user": 7}"#).await.status, 401);
    assert_eq!(post(&bearer, "text/plain", r#"{"user": 7}"#).await.status, 400, "a form of another page can send this");
    for body in ["", "7", "{}", r#"{"user": null}"#, r#"{"user": 7.5}"#, r#"{"user": ""}"#] {
        assert_eq!(post(&bearer, "application/json", body).await.status, 400, "{body}");
    }
    assert_eq!(admin.get("/api/v1/disconnect").await.status, 405);
}

#[tokio::test]
async fn nobody_is_connected_at_first() {
    let connected = Admin::new(None).get("/api/v1/connected?user=%C3%A4&limit=5").await.json();
    let nobody = json!({ "sockets": 0, "users": 0, "matched": 0, "offset": 0, "furthest": 10_000, "listed": [] });
    assert_eq!(connected, nobody);
}

#[tokio::test]
async fn reasons_and_rates_are_listed() {
    let admin = Admin::new(None);
    let reasons = admin.get("/api/v1/reasons").await.json();
    assert_eq!(reasons.as_array().unwrap().len(), crate::Reason::ALL.len());
    assert_eq!(reasons[0]["code"], "ticket_missing");
    let rates = admin.get("/api/v1/rates").await.json();
    assert_eq!((&rates["interval_seconds"], &rates["samples"]), (&json!(1), &json!([])));
    assert_eq!(admin.get("/api/v1/rates?after=-1").await.status, 400);
    let groups = admin.get("/api/v1/groups?limit=5").await.json();
    assert_eq!(groups, json!({ "channel_layer": false, "count": 0, "members": 0, "largest": [] }));
    assert_eq!(admin.get("/api/v1/groups?limit=501").await.status, 400);
}

/// The names in each JSON block of the page, and in the answer at the path that stands before it.
#[tokio::test]
async fn the_page_of_the_docs_has_the_names_that_are_answered() {
    const PAGE: &str = include_str!("../../docs/admin.md");
    let admin = Admin::new(Some(TOKEN));
    admin.board.samples.take(SystemTime::UNIX_EPOCH, super::samples::Totals::default());
    for path in ["overview", "connected", "groups", "refusals", "rates"] {
        let answered = admin.get(&format!("/api/v1/{path}")).await.json();
        let (_, rest) = PAGE.split_once(&format!("`/api/v1/{path}")).unwrap();
        let written = rest.split("```").nth(1).unwrap().strip_prefix("json\n").unwrap();
        let written: Value = serde_json::from_str(written).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
        assert_eq!(names(&written), names(&answered), "{path}");
        if path == "rates" {
            assert_eq!(names(&written["samples"][0]), names(&answered["samples"][0]));
        }
        if path == "overview" {
            assert_eq!(names(&written["sockets"]), names(&answered["sockets"]));
        }
    }
}
