//! What can only be known by trying: the database, the cache, the keys.

use std::time::Instant;

use super::findings::Findings;
use crate::{
    access_token::{AccessTokenOptions, Algorithm},
    app::{Parts, open_parts},
    causes::with_causes,
    python::Value,
    settings::Settings,
    ticket::{TICKET_LIFETIME, Ticket, TicketStore},
    user::UserId,
};

/// Django's own check (security.W009) asks for keys of this length.
const SHORTEST_SECRET_KEY: usize = 50;

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    check_signing_key(&settings.access_token, findings);
    let parts = match open_parts(settings, None).await {
        Ok(parts) => parts,
        Err(error) => return findings.fail("start", &error.to_string()),
    };
    findings.ok("SIMPLE_JWT", &format!("{}, the keys can be used", settings.access_token.algorithm.name()));
    // Routes, templates and patterns, as `serve` compiles them.
    if let Err(error) = parts.clone().into_site(settings.clone()) {
        findings.fail("start", &error.to_string());
    }
    match &settings.admission {
        Some(admission) => {
            check_database(&parts, &admission.user.model, findings).await;
            check_cache(parts.tickets.as_ref(), findings).await;
        }
        None => Findings::note("tickets", "none is issued or redeemed here, so database and cache are not opened"),
    }
    check_limits(settings, findings);
}

/// RFC 7518, 3.2: a key at least as long as the hash. PyJWT warns, and goes on.
fn check_signing_key(options: &AccessTokenOptions, findings: &mut Findings) {
    let needed = match options.algorithm {
        Algorithm::Hs256 => 32,
        Algorithm::Hs384 => 48,
        Algorithm::Hs512 => 64,
        _ => return,
    };
    let key = options.signing_key.expose();
    if key.starts_with("django-insecure-") {
        findings.fail(
            "SIMPLE_JWT",
            "the signing key is the one that `startproject` made (django-insecure-...): whoever has seen the repository \
             can sign tokens. Set SECRET_KEY, or SIMPLE_JWT[\"SIGNING_KEY\"], from the environment.",
        );
    } else if key.len() < needed {
        findings.fail(
            "SIMPLE_JWT",
            &format!(
                "the signing key has {} bytes, {} asks for {needed} and Django for {SHORTEST_SECRET_KEY}: it can be \
                 guessed from any token. Make a longer one.",
                key.len(),
                options.algorithm.name(),
            ),
        );
    }
}

async fn check_database(parts: &Parts, model: &str, findings: &mut Findings) {
    let begun = Instant::now();
    match parts.users.ping().await {
        Ok(()) => findings.ok("database", &format!("the query for {model} runs; a round trip takes {}", took(begun))),
        Err(error) => findings.fail("database", &with_causes(&error)),
    }
}

/// A ticket for nobody: written, redeemed, and gone.
async fn check_cache(tickets: &dyn TicketStore, findings: &mut Findings) {
    let ticket = Ticket::new();
    // No user has this key, so the ticket would open nothing even if it were left behind.
    let value = Value::from(&UserId::Int(-1));
    let begun = Instant::now();
    if let Err(error) = tickets.issue(ticket, &value, TICKET_LIFETIME).await {
        return findings.fail("cache", &format!("a ticket cannot be written: {}", with_causes(&error)));
    }
    match tickets.redeem(ticket).await {
        Ok(Some(read)) if read == value => {}
        Ok(Some(_)) => return findings.fail("cache", "a ticket comes back with another value than was written"),
        Ok(None) => return findings.fail("cache", "a ticket that was written a moment ago is not there"),
        Err(error) => return findings.fail("cache", &format!("a ticket cannot be redeemed: {}", with_causes(&error))),
    }
    match tickets.redeem(ticket).await {
        Ok(None) => findings.ok("cache", &format!("a ticket was written and redeemed once, in {}", took(begun))),
        Ok(Some(_)) => findings.fail("cache", "a ticket could be redeemed twice"),
        Err(error) => findings.fail("cache", &with_causes(&error)),
    }
}

fn check_limits(settings: &Settings, findings: &mut Findings) {
    match rlimit::getrlimit(rlimit::Resource::NOFILE) {
        Ok((_, hard)) if settings.server.limits.connections.is_some_and(|wanted| wanted as u64 > hard) => findings.fail(
            "limits",
            &format!(
                "[limits] connections is more than the {hard} file descriptors that this process may open. Raise them: \
                 LimitNOFILE= in a systemd unit, `ulimits` in compose."
            ),
        ),
        Ok((_, hard)) => findings.ok("limits", &format!("{hard} file descriptors, one for each socket")),
        Err(error) => Findings::note("limits", &format!("the limit of file descriptors is not known: {error}")),
    }
}

pub(super) fn took(begun: Instant) -> String {
    format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1000.0)
}
