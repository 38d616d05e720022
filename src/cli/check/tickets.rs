//! Whether the cache keeps tickets as it should, and whether Django finds them there.

use std::time::Instant;

use super::{code::Code, findings::Findings, took};
use crate::{
    cache::CacheBackend,
    causes::with_causes,
    python::Value,
    settings::{Settings, Sources, exchange_tickets},
    ticket::{self, TICKET_LIFETIME, Ticket, TicketStore},
    user::UserId,
};

const SUBJECT: &str = "cache";
const DJANGO: &str = "cache, Django";

/// Who has the tickets of a check. No user has this key, so they would open nothing even if they were left behind.
const NOBODY: UserId = UserId::Int(-1);

pub(super) async fn check(settings: &Settings, sources: &Sources, findings: &mut Findings) {
    let Some(admission) = &settings.admission else { return };
    let tickets = match ticket::open(&admission.cache) {
        Ok(tickets) => tickets,
        Err(error) => return findings.add(Code::CacheSilent, SUBJECT, with_causes(&error)),
    };
    if !check_store(tickets.as_ref(), findings).await {
        return;
    }
    if matches!(admission.cache.backend, CacheBackend::InProcess) {
        return findings.add(Code::CacheLocal, SUBJECT, "a ticket is known to one process alone");
    }
    check_with_django(sources, tickets.as_ref(), &admission.cache.key.make("<ticket>"), findings).await;
}

/// A ticket for nobody: written, redeemed, and gone.
async fn check_store(tickets: &dyn TicketStore, findings: &mut Findings) -> bool {
    let ticket = Ticket::new();
    let value = Value::from(&NOBODY);
    let begun = Instant::now();
    let mut fail = |code, what: String| {
        findings.add(code, SUBJECT, what);
        false
    };
    if let Err(error) = tickets.issue(ticket, &value, TICKET_LIFETIME).await {
        return fail(Code::CacheSilent, format!("a ticket cannot be written: {}", with_causes(&error)));
    }
    match tickets.redeem(ticket).await {
        Ok(Some(read)) if read == value => {}
        Ok(Some(_)) => return fail(Code::TicketLost, "a ticket comes back with another value than was written".into()),
        Ok(None) => return fail(Code::TicketLost, "a ticket that was written a moment ago is not there".into()),
        Err(error) => {
            return fail(Code::CacheSilent, format!("a ticket cannot be redeemed: {}", with_causes(&error)));
        }
    }
    match tickets.redeem(ticket).await {
        Ok(None) => {
            findings.ok(SUBJECT, &format!("a ticket was written and redeemed once, in {}", took(begun)));
            true
        }
        Ok(Some(_)) => fail(Code::TicketLost, "a ticket could be redeemed twice".into()),
        Err(error) => fail(Code::CacheSilent, with_causes(&error)),
    }
}

/// One ticket of ours that Django's cache is asked for, and one of Django's that ours is asked for. `key`: how a ticket's
/// key is made here.
async fn check_with_django(sources: &Sources, tickets: &dyn TicketStore, key: &str, findings: &mut Findings) {
    let (ours, theirs) = (Ticket::new(), Ticket::new());
    let value = Value::from(&NOBODY);
    if let Err(error) = tickets.issue(ours, &value, TICKET_LIFETIME).await {
        return findings.add(
            Code::CacheSilent,
            SUBJECT,
            format!("a ticket cannot be written: {}", with_causes(&error)),
        );
    }
    let asked = {
        let sources = sources.clone();
        tokio::task::spawn_blocking(move || exchange_tickets(&sources, ours, theirs)).await
    };
    // Django has deleted it, if it found it.
    let left = tickets.redeem(ours).await;
    let answer = match asked {
        Ok(Ok(Some(answer))) => answer,
        Ok(Ok(None)) => {
            return findings.add(Code::DjangoNotAsked, DJANGO, "the project's Python is not run: there is no --django");
        }
        Ok(Err(problem)) => {
            return findings.add_with(Code::DjangoFailed, DJANGO, problem.sentence, problem.mend);
        }
        Err(error) => return findings.add(Code::DjangoFailed, DJANGO, error.to_string()),
    };
    let mend = mend(key, &answer.key);
    let found_theirs = match tickets.redeem(theirs).await {
        Ok(found) => found,
        Err(error) => return findings.add(Code::CacheSilent, SUBJECT, with_causes(&error)),
    };
    let mut is_good = true;
    if answer.redeemed != "-1" {
        let what = match (answer.redeemed.as_str(), left) {
            ("None", Ok(Some(_))) => "Django looked for a ticket that is in the cache, and did not find it".to_owned(),
            ("None", _) => "Django did not find a ticket that was written a moment ago".to_owned(),
            (other, _) => format!("Django read {other} from a ticket of user -1"),
        };
        findings.add_with(Code::DjangoFindsNone, DJANGO, what, mend.clone());
        is_good = false;
    }
    match found_theirs {
        Some(found) if found == value => {}
        Some(_) => {
            findings.add_with(
                Code::DjangoUnknownHere,
                DJANGO,
                "a ticket of Django's comes back with another value",
                mend,
            );
            is_good = false;
        }
        None => {
            let what = "a ticket that Django wrote a moment ago is not found here";
            findings.add_with(Code::DjangoUnknownHere, DJANGO, what, mend);
            is_good = false;
        }
    }
    if is_good {
        findings.ok(DJANGO, "Django redeemed a ticket of sluicegate's, and sluicegate one of Django's");
    }
}

/// Where the keys differ, what of sluicegate's own settings makes them so.
fn mend(ours: &str, theirs: &str) -> String {
    if ours == theirs {
        return "sluicegate settings        # the cache's server and database are others than Django's: who said so?"
            .to_owned();
    }
    format!(
        "Django's key of a ticket is {theirs}, sluicegate's {ours}: take key_prefix, version and key out of [cache], \
         or let them say what CACHES says"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_shown() {
        assert!(
            mend(":1:<ticket>", "site:1:<ticket>")
                .starts_with("Django's key of a ticket is site:1:<ticket>, sluicegate's :1:")
        );
        assert!(mend(":1:<ticket>", ":1:<ticket>").contains("the cache's server and database are others"));
    }
}
