//! Whether the database answers, has room for the pools, and agrees about the time.

use std::time::Instant;

use super::{clocks, code::Code, findings::Findings, took};
use crate::{
    cache::CacheBackend,
    causes::with_causes,
    database::{Access, ConnectionLimit, DatabaseOptions, DatabaseServer, Pool},
    settings::{Admission, Settings},
    user,
};

const SUBJECT: &str = "database";

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let Some(admission) = &settings.admission else { return };
    let users = match user::open(&admission.user, &admission.database).await {
        Ok(users) => users,
        Err(error) => return findings.add(Code::DatabaseSilent, SUBJECT, with_causes(&error)),
    };
    let begun = Instant::now();
    if let Err(error) = users.ping().await {
        return findings.add(Code::DatabaseSilent, SUBJECT, with_causes(&error));
    }
    let model = &admission.user.model;
    findings.ok(SUBJECT, &format!("the query for {model} runs; a round trip takes {}", took(begun)));
    if settings.websocket.user_check_interval.is_some() && !users.finds_many_at_once() {
        findings.add(Code::UsersOneByOne, SUBJECT, format!("as Django asks for {model}"));
    }
    let pool = match Pool::new(&admission.database, Access::Read) {
        Ok(pool) => pool,
        Err(error) => return findings.add(Code::ConnectionsUnknown, SUBJECT, with_causes(&error)),
    };
    if matches!(admission.database.server, DatabaseServer::Sqlite { .. }) {
        return;
    }
    match pool.connection_limit().await {
        Ok(limit) => check_room(pools(admission), &limit, findings),
        Err(error) => findings.add(Code::ConnectionsUnknown, SUBJECT, with_causes(&error)),
    }
    match pool.clock().await {
        Ok(offset) => clocks::check(Code::DatabaseClock, SUBJECT, &offset, findings),
        Err(error) => findings.add(Code::DatabaseClockUnknown, SUBJECT, with_causes(&error)),
    }
}

/// How many connections one process may have to the users' database.
fn pools(admission: &Admission) -> u64 {
    let server = |options: &DatabaseOptions| format!("{:?}", options.server);
    let users = u64::from(admission.database.max_connections);
    match &admission.cache.backend {
        CacheBackend::Database { database, .. } if server(database) == server(&admission.database) => {
            users + u64::from(database.max_connections)
        }
        _ => users,
    }
}

fn check_room(wanted: u64, limit: &ConnectionLimit, findings: &mut Findings) {
    let ConnectionLimit { allowed, in_use, pooled } = *limit;
    if pooled {
        let what = format!(
            "a pooler stands before the database, which has its own limits; this process has up to {wanted} connections \
             to it"
        );
        return findings.add(Code::ConnectionsUnknown, SUBJECT, what);
    }
    let mend = |most: u64| format!("[database]\nmax_connections = {}", most.max(1));
    let used = in_use.map_or_else(String::new, |used| format!(", {used} of them in use now"));
    let free = allowed.saturating_sub(in_use.unwrap_or(0));
    let have = format!("a process has up to {wanted} connections, and the database allows this user {allowed}{used}");
    if wanted > allowed {
        findings.add_with(Code::PoolTooLarge, SUBJECT, have, mend(allowed / 2));
    } else if wanted > free {
        findings.add_with(Code::PoolTight, SUBJECT, have, mend(free / 2));
    } else {
        let processes = free / wanted.max(1);
        let times = if processes == 1 { "one process".to_owned() } else { format!("{processes} processes") };
        findings.ok(SUBJECT, &format!("{have}: room for {times} like this one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    #[test]
    fn pools_have_to_fit() {
        let codes = |wanted, allowed, in_use, pooled| {
            let mut findings = Findings::new(Form::Json);
            check_room(wanted, &ConnectionLimit { allowed, in_use, pooled }, &mut findings);
            findings.codes()
        };
        assert_eq!(codes(10, 97, Some(40), false), Vec::<&str>::new());
        assert_eq!(codes(10, 97, None, false), Vec::<&str>::new());
        assert_eq!(codes(10, 97, Some(90), false), ["C203"]);
        assert_eq!(codes(100, 97, Some(1), false), ["C202"]);
        assert_eq!(codes(100, 97, Some(1), true), ["C204"]);
    }
}
