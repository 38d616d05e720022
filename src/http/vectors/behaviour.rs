//! What no recording shows: parts that fail, throttles, health, and middleware that the recordings do not switch on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    http::{Middleware, Throttle, ThrottleScope},
    python::Value,
    ticket::{Redeemed, Ticket, TicketStore, TicketStoreError},
    user::{User, UserStore, UserStoreError},
};

const URL: &str = "/api/auth/auth_for_ws_connection/";

/// How a part fails.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Unavailable,
    /// Two users with one id; a value that the cache's serializer cannot hold.
    Odd,
}

struct FaultyUsers {
    users: RecordedUsers,
    fault: Fault,
    pings: AtomicUsize,
}

impl FaultyUsers {
    fn check(&self) -> Result<(), UserStoreError> {
        match self.fault {
            Fault::None => Ok(()),
            Fault::Unavailable => Err(UserStoreError::Unavailable("connection refused".into())),
            Fault::Odd => Err(UserStoreError::MultipleRows),
        }
    }
}

#[async_trait]
impl UserStore for FaultyUsers {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        self.check()?;
        self.users.by_claim(claim).await
    }

    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
        self.users.by_ticket_value(value).await
    }

    async fn by_username(&self, username: &str) -> Result<Option<User>, UserStoreError> {
        self.users.by_username(username).await
    }

    async fn is_blacklisted(&self, _: &str) -> Result<bool, UserStoreError> {
        self.check().map(|()| false)
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        self.pings.fetch_add(1, Ordering::Relaxed);
        self.check()
    }
}

struct FaultyTickets {
    kept: KeptTickets,
    fault: Fault,
}

#[async_trait]
impl TicketStore for FaultyTickets {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        match self.fault {
            Fault::None => self.kept.issue(ticket, value, lifetime).await,
            Fault::Unavailable => Err(TicketStoreError::Unavailable("timed out".into())),
            Fault::Odd => Err(TicketStoreError::Unstorable { kind: "UUID" }),
        }
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        self.kept.redeem(ticket).await
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        let _ = companion;
        self.issue(ticket, value, lifetime).await
    }

    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        self.kept.redeem_with(ticket).await
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        if self.fault == Fault::None { Ok(()) } else { Err(TicketStoreError::Unavailable("timed out".into())) }
    }
}

/// The recorded project with changes of its own.
struct Project {
    router: Router,
    users: Arc<FaultyUsers>,
    tickets: Arc<FaultyTickets>,
    token: String,
}

/// What a test changes of it.
struct Changes {
    settings: Json,
    database: Fault,
    cache: Fault,
    throttles: Vec<Throttle>,
    middleware: Option<Vec<Middleware>>,
    health_path_prefix: &'static str,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            settings: json!({}),
            database: Fault::None,
            cache: Fault::None,
            throttles: Vec::new(),
            middleware: None,
            health_path_prefix: "",
        }
    }
}

fn project(changes: Changes) -> Project {
    let keys = vector("keys.json");
    let (mut options, mut access_token) = overlay::base(keys["SECRET_KEY"].as_str().expect("a key"));
    let user_id_field = overlay::apply(&changes.settings, &mut options, &mut access_token);
    options.views[0].throttles = changes.throttles;
    // Long enough that gzip always pays, whatever it adds at random.
    options.views[0].description = "a".repeat(500);
    if let Some(middleware) = changes.middleware {
        options.middleware = middleware;
    }
    let users = Arc::new(FaultyUsers {
        users: RecordedUsers::new(&vector("users.json"), "default", &user_id_field),
        fault: changes.database,
        pings: AtomicUsize::new(0),
    });
    let tickets = Arc::new(FaultyTickets { kept: KeptTickets::default(), fault: changes.cache });
    let state = HttpState::new(HttpParts {
        needs: crate::ticket::Needs::default(),
        ask_paths: crate::consumer::ask::OwnPaths::default(),
        gate: crate::admission::Gates::default().tickets,
        upstream: None,
        forwarding: Arc::default(),
        options,
        verifier: Arc::new(Verifier::new(access_token).expect("good keys")),
        users: users.clone(),
        tickets: tickets.clone(),
        throttles: counted_requests(),
        layer: None,
        health_path_prefix: changes.health_path_prefix.to_owned(),
        metrics: Arc::default(),
    });
    let recorded = vector("http-authorization-header.json");
    let token = recorded["cases"][0]["request"]["headers"][1][1].as_str().expect("a header").to_owned();
    Project { router: router(state.expect("good patterns")), users, tickets, token }
}

impl Project {
    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answered {
        let recorded = json!({ "method": method, "target": target, "headers": headers });
        send(self.router.clone(), request(&recorded)).await
    }

    /// With `Host` and a good access token.
    async fn ask(&self, method: &str, headers: &[(&str, &str)]) -> Answered {
        let mut all = vec![("host", "testserver"), ("authorization", self.token.as_str())];
        all.extend(headers);
        self.send(method, URL, &all).await
    }

    fn stored(&self) -> Vec<Value> {
        self.tickets.kept.0.lock().unwrap().iter().map(|(_, value)| value.clone()).collect()
    }
}

impl Answered {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn header_names(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }
}

#[tokio::test]
async fn a_cache_that_does_not_answer_is_503_with_every_header_of_the_view() {
    let project = project(Changes { cache: Fault::Unavailable, ..Changes::default() });
    let answer = project.ask("GET", &[]).await;
    assert_eq!(answer.status, 503);
    let body = r#"{"detail":"The cache does not answer. Try again later.","code":"unavailable_cache"}"#;
    assert_eq!(answer.body, body);
    let names = [
        "content-type",
        "retry-after",
        "vary",
        "allow",
        "x-frame-options",
        "content-length",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
    ];
    assert_eq!(answer.header_names(), names);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_503() {
    let project = project(Changes { database: Fault::Unavailable, ..Changes::default() });
    let answer = project.ask("GET", &[]).await;
    assert_eq!(answer.status, 503);
    assert!((1..=9).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(answer.json()["code"], "unavailable_database");
    assert!(project.stored().is_empty());
}

#[tokio::test]
async fn two_users_with_one_id_are_a_server_error_page() {
    let answer = project(Changes { database: Fault::Odd, ..Changes::default() }).ask("GET", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (500, "text/html; charset=utf-8"));
    assert_eq!((answer.header("x-frame-options"), answer.header("allow")), ("DENY", ""));
}

#[tokio::test]
async fn an_id_that_the_cache_cannot_hold_gives_no_ticket() {
    let answer = project(Changes { cache: Fault::Odd, ..Changes::default() }).ask("GET", &[]).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("token_not_valid")));
}

#[tokio::test]
async fn a_ticket_stores_the_key_of_the_user_and_without_a_lookup_the_claim() {
    let looked_up = project(Changes::default());
    assert_eq!(looked_up.ask("GET", &[]).await.status, 200);
    assert_eq!(looked_up.stored(), [Value::Int(1)]);
    let class = "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication";
    let settings = json!({ "REST_FRAMEWORK": { "DEFAULT_AUTHENTICATION_CLASSES": [class] } });
    let stateless = project(Changes { settings, database: Fault::Unavailable, ..Changes::default() });
    assert_eq!(stateless.ask("GET", &[]).await.status, 200);
    assert_eq!(stateless.stored(), [Value::Str("1".to_owned())]);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let project = project(Changes::default());
    let answer = project.ask("HEAD", &[]).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("content-length")), (200, "", "47"));
    assert_eq!(project.stored().len(), 1);
}

#[tokio::test]
async fn a_throttled_user_waits_and_refused_methods_count() {
    let throttle = |kind| Throttle { kind, scope: "user".to_owned(), requests: 2, period: Duration::from_mins(1) };
    let anonymous = Throttle { requests: 0, ..throttle(ThrottleScope::Anon) };
    let throttles = vec![anonymous, throttle(ThrottleScope::User)];
    let project = project(Changes { throttles, ..Changes::default() });
    assert_eq!(project.ask("POST", &[]).await.status, 405);
    assert_eq!(project.ask("GET", &[]).await.status, 200);
    let answer = project.ask("GET", &[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "60"));
    assert_eq!(answer.body, r#"{"detail":"Request was throttled. Expected available in 60 seconds."}"#);
    assert_eq!(project.send("GET", URL, &[("host", "testserver")]).await.status, 401);
}

#[tokio::test]
async fn without_a_host_header_the_servers_own_address_is_checked() {
    let project = project(Changes::default());
    assert_eq!(project.send("GET", URL, &[]).await.status, 401);
    let ssl = json!({ "SECURE_SSL_REDIRECT": true });
    let redirecting = self::project(Changes { settings: ssl, ..Changes::default() });
    let answer = redirecting.send("GET", "/x y%2F".replace(' ', "%20").as_str(), &[]).await;
    assert_eq!((answer.status, answer.header("location")), (301, "https://127.0.0.1:8000/x%20y/"));
}

#[tokio::test]
async fn conditional_get_and_gzip_add_to_the_answer_in_their_turn() {
    let middleware = vec![Middleware::GZip, Middleware::ConditionalGet, Middleware::Common];
    let project = project(Changes { middleware: Some(middleware), ..Changes::default() });
    let answer = project.ask("GET", &[("if-none-match", "*")]).await;
    assert_eq!((answer.status, answer.header_names()), (304, vec!["etag", "vary"]));
    let request = json!({ "method": "OPTIONS", "target": URL, "headers":
        [["host", "testserver"], ["authorization", project.token], ["accept-encoding", "gzip"]] });
    let response = project.router.clone().call(self::request(&request)).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["vary"], "Accept, Accept-Encoding");
    let length = response.headers()["content-length"].to_str().unwrap().to_owned();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len().to_string(), length);
}

#[tokio::test]
async fn a_language_may_be_chosen_by_cookie() {
    let middleware = vec![Middleware::Locale, Middleware::Common];
    let project = project(Changes { middleware: Some(middleware), ..Changes::default() });
    let headers = [("host", "testserver"), ("cookie", "a=b; django_language=\"fr\""), ("accept-language", "de")];
    let answer = project.send("GET", URL, &headers).await;
    assert_eq!(answer.header("content-language"), "fr");
    assert_eq!(answer.json()["detail"], "Informations d'authentification non fournies.");
}

#[tokio::test]
async fn more_than_a_thousand_query_parameters_are_a_bad_request() {
    let project = project(Changes::default());
    let fields = |count: usize| format!("{URL}?{}", vec!["a"; count].join("&"));
    let headers = [("host", "testserver"), ("authorization", project.token.as_str())];
    assert_eq!(project.send("GET", &fields(1000), &headers).await.status, 200);
    let answer = project.send("GET", &fields(1001), &headers).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, "text/html; charset=utf-8"));
}

#[tokio::test]
async fn health_is_answered_whatever_the_host_and_asks_the_parts_once_a_second() {
    let project = project(Changes { cache: Fault::Unavailable, ..Changes::default() });
    let headers = [("host", "evil.test")];
    let alive = project.send("GET", "/healthz", &headers).await;
    assert_eq!((alive.status, alive.body.as_str()), (200, r#"{"status":"ok"}"#));
    for _ in 0..3 {
        let ready = project.send("GET", "/readyz", &headers).await;
        assert_eq!(ready.status, 503);
        assert_eq!(ready.json(), json!({ "status": "unavailable", "cache": "unavailable", "database": "ok" }));
    }
    assert_eq!(project.users.pings.load(Ordering::Relaxed), 1);
    let head = project.send("HEAD", "/readyz", &headers).await;
    assert_eq!((head.status, head.body.as_str()), (503, ""));
    let ready = self::project(Changes::default()).send("GET", "/readyz", &headers).await;
    assert_eq!((ready.status, ready.body.as_str()), (200, r#"{"status":"ok"}"#));
}

#[tokio::test]
async fn health_may_live_under_any_prefix() {
    for prefix in ["/-/", "internal", "{x}/*y/:z"] {
        let project = project(Changes { health_path_prefix: prefix, ..Changes::default() });
        let path = format!("/{}/healthz", prefix.trim_matches('/'));
        assert_eq!(project.send("GET", &path, &[("host", "evil.test")]).await.status, 200, "{prefix}");
        assert_eq!(project.send("GET", "/healthz", &[("host", "testserver")]).await.status, 404);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_in_a_header_or_path_are_answered_by_a_panic(
        values in prop::collection::vec(prop::collection::vec(
            prop_oneof![Just(b','), Just(b';'), Just(b'='), Just(b'"'), Just(b'['), Just(b'-'), b' '..=b'~', 0x80..=0xffu8],
            0..24,
        ), 12),
        path in "/[a-z%/0-9]{0,12}[?]?[a-z%&=]{0,8}",
    ) {
        let names = [
            "accept", "accept-language", "accept-encoding", "authorization", "cookie", "host", "if-match",
            "if-none-match", "if-unmodified-since", "origin", "x-forwarded-host", "x-forwarded-proto",
        ];
        let middleware = vec![
            Middleware::Cors, Middleware::GZip, Middleware::ConditionalGet, Middleware::Security, Middleware::Session,
            Middleware::Locale, Middleware::XFrameOptions, Middleware::Common,
        ];
        let settings = json!({
            "ALLOWED_HOSTS": ["*"],
            "CORS_ALLOWED_ORIGINS": ["https://app.test"],
            "CORS_ALLOWED_ORIGIN_REGEXES": ["^https://\\w+\\.test$"],
            "SECURE_PROXY_SSL_HEADER": { "$tuple": ["HTTP_X_FORWARDED_PROTO", "https"] },
        });
        let project = project(Changes { settings, middleware: Some(middleware), ..Changes::default() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for target in [URL, &path] {
            let Ok(mut request) = Request::builder().uri(target).body(Body::empty()) else { continue };
            for (name, value) in names.iter().zip(&values) {
                request.headers_mut().insert(*name, HeaderValue::from_bytes(value).unwrap());
            }
            let status = runtime.block_on(project.router.clone().call(request)).unwrap().status().as_u16();
            prop_assert!([200, 301, 304, 400, 401, 404, 406, 412].contains(&status), "{}", status);
        }
    }
}
