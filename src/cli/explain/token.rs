//! `sluicegate explain-token TOKEN`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use tower_service::Service;

use super::{argument_or_stdin, say};
use crate::{
    access_token::{AccessTokenOptions, Claims, Message, Step, TokenError, Verifier, Watch},
    app::Parts,
    causes::with_causes,
    cli::{
        DONE, FAILED, UNUSABLE,
        args::ExplainTokenArguments,
        check::literal_path,
        logging,
        run::{print_problems, runtime},
    },
    python::{self, Value},
    settings::Settings,
    ticket::{Redeemed, Ticket, TicketStore, TicketStoreError},
    upstream::Peer,
    user::{self, UserStore},
};

pub(in crate::cli) fn run(arguments: &ExplainTokenArguments) -> u8 {
    logging::start_quiet();
    let token = match argument_or_stdin(&arguments.token) {
        Ok(token) => token,
        Err(error) => {
            eprintln!("sluicegate: standard input: {error}");
            return UNUSABLE;
        }
    };
    let settings = match Settings::load(&arguments.project.sources()) {
        Ok(loaded) => loaded.settings,
        Err(problems) => return print_problems(&problems),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(async {
            match explain(settings, token.trim_start_matches("Bearer ").trim()).await {
                Ok(true) => DONE,
                Ok(false) => FAILED,
                Err(sentence) => {
                    eprintln!("sluicegate: {sentence}");
                    UNUSABLE
                }
            }
        }),
        Err(code) => code,
    }
}

/// Whether the token gets a ticket.
async fn explain(settings: Settings, token: &str) -> Result<bool, String> {
    let admission = settings.admission.as_ref().ok_or("no token is checked here: everything is passed on to Django")?;
    let verifier = Verifier::new(settings.access_token.clone()).map_err(|error| with_causes(&error))?;
    let users = user::open(&admission.user, &admission.database).await.map_err(|error| with_causes(&error))?;
    let now = SystemTime::now();
    let mut told = Told { options: settings.access_token.clone(), now };
    let is_good = match verifier.verify_watched(token.as_bytes(), now, users.as_ref(), &mut told).await {
        Ok(claims) => check_user(&verifier, &claims, users.as_ref()).await,
        Err(TokenError::Refused(_)) => false,
        Err(error) => {
            say("STOP", "token", &with_causes(&error));
            false
        }
    };
    let answered = answer(settings, Arc::new(verifier), users, token).await?;
    Ok(answered.unwrap_or(is_good))
}

async fn check_user(verifier: &Verifier, claims: &Claims, users: &dyn UserStore) -> bool {
    let claim = match verifier.user_id(claims) {
        Ok(claim) => claim,
        Err(refusal) => return stop("user", &refusal.to_string()),
    };
    let shown = shown(claim);
    let user = match users.by_claim(claim).await {
        Ok(Some(user)) => user,
        Ok(None) => return stop("user", &format!("{} = {shown}: no such user", verifier.options().user_id_claim)),
        Err(error) => return stop("user", &format!("{shown}: {}", with_causes(&error))),
    };
    let name = user.username.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
    say("ok", "user", &format!("{} = {shown}{name}", verifier.options().user_id_claim));
    match verifier.check_user(claims, &user) {
        Ok(()) => say("ok", "user", if user.is_active { "active" } else { "inactive, which is not asked" }),
        Err(refusal) => return stop("user", &refusal.to_string()),
    }
    true
}

fn stop(name: &str, what: &str) -> bool {
    say("STOP", name, what);
    false
}

/// What the ticket view itself answers, without a ticket being stored or a throttle counting; `None` where it is not
/// served here. Django's own answer is the same, but for the differences of docs/compatibility.md.
async fn answer(
    mut settings: Settings,
    verifier: Arc<Verifier>,
    users: Arc<dyn UserStore>,
    token: &str,
) -> Result<Option<bool>, String> {
    let Some(path) = settings.http.views.first().and_then(|view| literal_path(&view.pattern)) else {
        println!("The ticket view is not served here, or its path has parameters: Django answers.");
        return Ok(None);
    };
    settings.routes.clear();
    settings.upstream = None;
    let name = settings.access_token.auth_header_name.strip_prefix("HTTP_").unwrap_or_default().replace('_', "-");
    let scheme = settings.access_token.auth_header_types.first().map_or("Bearer", String::as_str);
    let host = settings.http.allowed_hosts.iter().find(|host| !host.contains('*'));
    let host = host.map_or("localhost", |host| host.trim_start_matches('.')).to_owned();
    let mut request = Request::get(&path).header(header::HOST, host).header(name, format!("{scheme} {token}"));
    if let Some((name, value)) = &settings.http.secure_proxy_ssl_header {
        request = request.header(name.trim_start_matches("HTTP_").replace('_', "-"), value);
    }
    let mut request = request.body(Body::empty()).map_err(|_| "the token cannot stand in a header".to_owned())?;
    request.extensions_mut().insert(Peer::default());
    let parts = Parts { users, tickets: Arc::new(Nowhere), ..Parts::closed(verifier) };
    let mut site = parts.into_site(settings).map_err(|error| error.to_string())?;
    let response = match site.http.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    println!(
        "GET {path} is answered here, and by Django (but for the differences of docs/compatibility.md), with {status}"
    );
    if status.is_success() {
        println!("{{\"uuid\": \"...\"}}");
    } else {
        let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&body));
    }
    Ok(Some(status.is_success()))
}

/// Stores no ticket.
struct Nowhere;

#[async_trait]
impl TicketStore for Nowhere {
    async fn issue(&self, _: Ticket, _: &Value, _: Duration) -> Result<(), TicketStoreError> {
        Ok(())
    }

    async fn redeem(&self, _: Ticket) -> Result<Option<Value>, TicketStoreError> {
        Ok(None)
    }

    async fn issue_with(&self, _: Ticket, _: &Value, _: &str, _: Duration) -> Result<(), TicketStoreError> {
        Ok(())
    }

    async fn redeem_with(&self, _: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        Ok(None)
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        Ok(())
    }
}

/// Prints each step. Neither the token nor a key is in any.
struct Told {
    options: AccessTokenOptions,
    now: SystemTime,
}

impl Watch for Told {
    fn saw(&mut self, step: Step<'_>) {
        let mark = |good: bool| if good { "ok" } else { "STOP" };
        match step {
            Step::Form(true) => say("ok", "form", "three parts in base64url, with a header"),
            Step::Form(false) => say("STOP", "form", "this is no token of three parts in canonical base64url"),
            Step::Algorithm { found, expected } => {
                let found = found.unwrap_or("none");
                say(mark(found == expected), "algorithm", &format!("the token's is {found}, ALGORITHM is {expected}"));
            }
            Step::Key { setting, found } => {
                let what = if found { "there is one for this token" } else { "none for this token" };
                say(mark(found), "key", &format!("SIMPLE_JWT[\"{setting}\"]: {what}"));
            }
            Step::Signature(good) => {
                say(
                    mark(good),
                    "signature",
                    if good { "good" } else { "not by this key: signed elsewhere, or changed" },
                );
            }
            Step::Payload(good) => say(mark(good), "payload", if good { "a JSON object" } else { "no JSON object" }),
            Step::Time { name, claim, good } => say(mark(good), name, &self.time(claim)),
            Step::Compared { name, good } => {
                let what = match (name, good) {
                    ("iss", true) => "as ISSUER wants it",
                    ("iss", false) => "not ISSUER's",
                    ("aud", true) => "as AUDIENCE wants it",
                    ("aud", false) => "not AUDIENCE's",
                    (_, true) => "text, where they are there",
                    (_, false) => "not text",
                };
                say(mark(good), name, what);
            }
            Step::Blacklist { class, result } => {
                let what = result.map_or_else(Message::detail, |()| "not on it".to_owned());
                say(mark(result.is_ok()), "blacklist", &format!("{}: {what}", class.name));
            }
            Step::Class { class, result } => {
                let what = result.map_or_else(Message::detail, |()| "takes it: exp, jti and type".to_owned());
                say(mark(result.is_ok()), "class", &format!("{}: {what}", class.name));
            }
        }
    }
}

impl Told {
    fn time(&self, claim: &Value) -> String {
        let now = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let leeway = self.options.leeway.as_secs_f64();
        let away = match python::int(claim) {
            Ok(Value::Int(second)) => {
                let away = i128::from(second) - i128::from(now);
                format!(", {} s {}", away.unsigned_abs(), if away < 0 { "ago" } else { "ahead" })
            }
            _ => String::new(),
        };
        format!("{}{away}; the clock is at {now}, LEEWAY = {leeway} s", shown(claim))
    }
}

/// As `str()` shows it.
fn shown(value: &Value) -> String {
    python::str(value).unwrap_or_else(|| "a value that is no text".to_owned())
}
