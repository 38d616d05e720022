//! What would be decided about a handshake, step by step, by the functions that decide: for `sluicegate explain-handshake`.

use std::sync::Arc;

use http::Request;

use super::{
    handshake::{check_form, check_origin, state, ticket, user},
    outbox::Outbox,
    refusal::Refusal,
    route::Captures,
    scope::Scope,
    site::{Consumers, Target, WebSocketSite},
};
use crate::{
    admission::{AdmissionOptions, Rate},
    causes::with_causes,
    consumer::Connection,
    python::Value,
    reason::Reason,
    ticket::Ticket,
    upstream::RouteAuth,
    user::User,
};

/// One thing that was looked at: what it is called, and what came of it. None of it holds a ticket.
pub(crate) struct Explained {
    pub(crate) steps: Vec<(&'static str, String)>,
    /// At the last step; `None`: the handshake would be let in, or passed on to Django.
    pub(crate) refused: Option<Refusal>,
}

struct Steps(Vec<(&'static str, String)>);

impl Steps {
    fn add(&mut self, name: &'static str, what: impl Into<String>) {
        self.0.push((name, what.into()));
    }

    /// The step that a refusal ends at.
    fn try_to<T>(&mut self, name: &'static str, result: Result<T, Reason>) -> Result<T, Refusal> {
        result.map_err(|reason| {
            self.add(name, reason.detail());
            reason.into()
        })
    }
}

/// `redeem`: the ticket is used up, as by a real handshake; otherwise it stays.
pub(crate) async fn explain(site: &WebSocketSite, request: &Request<()>, redeem: bool) -> Explained {
    let mut steps = Steps(Vec::new());
    let refused = decide(site, request, redeem, &mut steps).await.err();
    Explained { steps: steps.0, refused }
}

/// In the order of `handshake::answer`, `handshake::admit` and `proxy::admit`.
async fn decide(site: &WebSocketSite, request: &Request<()>, redeem: bool, steps: &mut Steps) -> Result<(), Refusal> {
    if let Err(form) = check_form(request) {
        steps.add("form", "it is not a handshake as RFC 6455 wants it");
        return Err(form.into());
    }
    steps.add("form", "a WebSocket handshake");
    let scope = Scope::new(request.uri());
    let route = site.route(&scope.path);
    for (written, does_match) in site.tried(&scope.path) {
        steps.add("route", format!("{written}: {}", if does_match { "matches" } else { "no" }));
    }
    let (index, target, captures) = steps.try_to("route", route.ok_or(Reason::NoRoute))?;
    steps.add("route", format!("{}{}", site.route_name(index), captured(site.capture_names(index), &captures)));
    match target {
        Target::Consumer(consumers) => {
            steps.try_to("origin", check_origin(site, request.headers()))?;
            origin_and_limits(site, index, request, steps);
            let ticket = steps.try_to("ticket", ticket(&scope))?;
            steps.add("ticket", "it has the form of a UUID as Python prints one");
            steps.try_to("groups", consumers.application.check(&captures))?;
            turn(site, steps);
            let user = redeemed(site, ticket, redeem, steps).await?;
            let state = state(index, consumers, captures, user, &scope, request.headers(), None);
            join(consumers, state, steps)
        }
        Target::Proxy(proxy) => {
            let is_redeemed = proxy.auth == RouteAuth::Ticket;
            if is_redeemed {
                steps.try_to("origin", check_origin(site, request.headers()))?;
                origin_and_limits(site, index, request, steps);
                let ticket = steps.try_to("ticket", ticket(&scope))?;
                steps.add("ticket", "it has the form of a UUID as Python prints one");
                turn(site, steps);
                steps.try_to("upstream", proxy.connect().await.map(drop))?;
                redeemed(site, ticket, redeem, steps).await?;
            } else {
                steps.add("ticket", "not looked at here: the handshake goes on untouched, and Django decides");
                turn(site, steps);
                steps.try_to("upstream", proxy.connect().await.map(drop))?;
            }
            let with = if is_redeemed { ", with a fresh ticket of the same user" } else { "" };
            steps.add("upstream", format!("it accepts connections: the handshake would be passed on{with} (not sent)"));
            Ok(())
        }
    }
}

fn origin_and_limits(site: &WebSocketSite, route: usize, request: &Request<()>, steps: &mut Steps) {
    let stated =
        if request.headers().contains_key(http::header::ORIGIN) { "it is let in" } else { "none, which is let in" };
    steps.add("origin", stated);
    let limits = &site.limits;
    let shown = |name: &str, limit: Option<usize>| limit.map(|limit| format!("{name} = {limit}"));
    let set: Vec<String> = [
        shown("connections", limits.connections),
        shown("connections of the route", site.route_limit(route).map(|limit| limit.most)),
        shown("connections_per_address", limits.connections_per_address),
        shown(
            if limits.admission.share_users {
                "connections_per_user, over all sluicegates on the cache's Redis,"
            } else {
                "connections_per_user"
            },
            limits.connections_per_user,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    if set.is_empty() {
        steps.add("limits", "none is set but file descriptors");
    } else {
        steps.add("limits", format!("{}: counted by the server that runs, not here", set.join(", ")));
    }
}

/// What the gate before the ticket holds to. Whether it is open at this moment only the server that runs knows.
fn turn(site: &WebSocketSite, steps: &mut Steps) {
    let AdmissionOptions { handshakes, at_once, waiting, wait, .. } = &site.limits.admission;
    let rate = handshakes.map_or_else(
        || "handshakes_per_second is not set".to_owned(),
        |Rate { per_second, burst }| format!("{per_second} a second, {burst} at once after a quiet time"),
    );
    let wait = wait.as_secs_f64();
    steps.add(
        "turn",
        format!(
            "{rate}; {at_once} are worked on at a time, {waiting} may wait for their turn, {wait} s each; beyond that it is refused: {}",
            Reason::Overloaded.code(),
        ),
    );
}

async fn redeemed(site: &WebSocketSite, ticket: Ticket, redeem: bool, steps: &mut Steps) -> Result<User, Refusal> {
    let value = if redeem { site.tickets.redeem(ticket).await } else { site.tickets.peek(ticket).await };
    let value = match value {
        Ok(value) => value,
        Err(error) => {
            steps.add("cache", with_causes(&error));
            return Err(Reason::UnavailableCache.into());
        }
    };
    let value: Value = steps.try_to("cache", value.ok_or(Reason::TicketInvalid))?;
    let what = if redeem { "the ticket was there, and is used up now" } else { "the ticket is there, and stays" };
    steps.add("cache", format!("{what}: user {}", shown(&value)));
    let user = user(site, &value).await.map_err(|denied| {
        if let Some(failure) = denied.failure {
            steps.add("user", failure);
        }
        denied.reason
    });
    let user = steps.try_to("user", user)?;
    let name = user.username.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
    steps.add(
        "user",
        format!("{}{name}{}", shown(&Value::from(&user.id)), if user.is_active { "" } else { ", inactive" }),
    );
    Ok(user)
}

fn join(consumers: &Consumers, state: crate::consumer::ConnectionState, steps: &mut Steps) -> Result<(), Refusal> {
    let Consumers { application, context } = consumers;
    let outbox = Arc::new(Outbox::new(Arc::clone(context), None));
    let connection = Connection::new(state, outbox, Arc::clone(context), None);
    for group in application.groups(&connection) {
        let group = steps.try_to("groups", group)?;
        steps.add("groups", format!("would join {group}"));
    }
    if let Some(ask) = context.ask.as_ref().filter(|ask| ask.on_connect()) {
        steps.add("ask", format!("{} would decide (not asked); groups with `context` follow its answer", ask.url()));
    }
    Ok(())
}

fn captured(names: &[String], captures: &Captures) -> String {
    let known =
        names.iter().zip(captures).filter_map(|(name, value)| Some(format!("{name} = {}", shown(value.as_ref()?))));
    let known: Vec<String> = known.collect();
    if known.is_empty() { String::new() } else { format!(", {}", known.join(", ")) }
}

/// As `str()` shows it.
fn shown(value: &Value) -> String {
    crate::python::str(value).unwrap_or_else(|| "a value that is no text".to_owned())
}
