//! Open sockets that end because of their user or token: what Django would refuse by now.
//!
//! The users of all open sockets are looked up again, many with one statement, spread over a part of the interval. A user
//! is looked up at least once in each `user_check_interval`. A database that does not answer closes nobody.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    close::CloseFrame,
    roll::Entered,
    site::{OpenSockets, WebSocketSite},
};
use crate::{
    access_token::password_digest,
    causes::with_causes,
    python::Value,
    reason::Reason,
    user::{User, UserId, UserStoreError},
};

/// So many are asked for with one statement.
const CHUNK: usize = 1000;
/// How late an expired token's socket is noticed at most.
const TICK: Duration = Duration::from_secs(1);

/// Closes the sockets whose user or token is no longer good. Never ends.
pub(crate) async fn watch(open: Arc<OpenSockets>) {
    tokio::join!(close_expired(&open), check_regularly(&open));
}

async fn close_expired(open: &OpenSockets) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if !open.current().is_some_and(|site| site.options.expire_with_token) {
            continue;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let closed = open.roll.close_expired(now, &CloseFrame::refusal(Reason::TokenExpired));
        if closed > 0 {
            open.metrics.ended.closed(Reason::TokenExpired, closed);
            tracing::info!(reason = %Reason::TokenExpired, sockets = closed, "sockets closed");
        }
    }
}

async fn check_regularly(open: &OpenSockets) {
    let mut last = Instant::now();
    let mut outage = Outage::default();
    let mut is_said = false;
    loop {
        // Looked at each second: a reload may have changed it.
        sleep(TICK.min(pause(open).unwrap_or(TICK))).await;
        let (Some(site), Some(pause)) = (open.current(), pause(open)) else { continue };
        if last.elapsed() < pause {
            continue;
        }
        if !is_said && open.roll.count() > 0 && !site.users.finds_many_at_once() {
            is_said = true;
            tracing::warn!(
                "the statement of the user model does not allow to look up many users at once: those of open sockets are \
                 looked up one by one, some 200 a second"
            );
        }
        outage.note(check(open, &site, pause / 2).await);
        last = Instant::now();
    }
}

/// Between two rounds: a round takes half of it, so that nobody waits longer than the interval.
fn pause(open: &OpenSockets) -> Option<Duration> {
    open.current()?.options.user_check_interval.map(|interval| interval / 2)
}

/// Whether the database answers, said when it changes.
#[derive(Default)]
struct Outage(bool);

impl Outage {
    fn note(&mut self, checked: Result<(), UserStoreError>) {
        let is_out = checked.is_err();
        match checked {
            Err(error) if !self.0 => {
                tracing::warn!(
                    error = with_causes(&error),
                    "the users of open sockets cannot be looked up: they stay open"
                );
            }
            Ok(()) if self.0 => tracing::info!("the users of open sockets are looked up again"),
            _ => {}
        }
        self.0 = is_out;
    }
}

/// Why a user's sockets end.
enum End {
    /// All of them.
    All(Reason),
    /// Those that were admitted with another password than this.
    OtherPassword([u8; 16]),
}

/// Looks up everybody who is connected, spread over about `time`.
async fn check(open: &OpenSockets, site: &WebSocketSite, time: Duration) -> Result<(), UserStoreError> {
    // Who came meanwhile was looked up at the handshake.
    let until = open.roll.next_number();
    let users = open.roll.users();
    let tokens = if site.needs.jti { open.roll.token_ids() } else { Vec::new() };
    let ids = users.keys().cloned().collect::<Vec<_>>();
    let statements = ids.len().div_ceil(CHUNK) + tokens.len().div_ceil(CHUNK);
    let pause = time / u32::try_from(statements.max(1)).unwrap_or(u32::MAX);
    for (index, ids) in ids.chunks(CHUNK).enumerate() {
        if index > 0 {
            sleep(pause).await;
        }
        let ends = ends(site, ids, &users).await?;
        close(open, until, &ends);
    }
    for tokens in tokens.chunks(CHUNK) {
        sleep(pause).await;
        let listed = site.users.blacklisted(tokens).await?;
        if !listed.is_empty() {
            let close = CloseFrame::refusal(Reason::TokenRevoked);
            let closed = open.roll.close_where(|entered| {
                let jti = entered.connected.token.as_ref()?.jti.as_ref()?;
                (entered.number < until && listed.contains(jti)).then(|| close.clone())
            });
            open.metrics.ended.closed(Reason::TokenRevoked, closed);
            tracing::info!(reason = %Reason::TokenRevoked, sockets = closed, "sockets closed");
        }
    }
    Ok(())
}

/// Whose sockets among these users are to end.
async fn ends(
    site: &WebSocketSite,
    ids: &[UserId],
    passwords: &HashMap<UserId, Vec<[u8; 16]>>,
) -> Result<HashMap<UserId, End>, UserStoreError> {
    let found = site.users.by_ids(ids).await?;
    let found: HashMap<&UserId, &User> = found.iter().map(|user| (&user.id, user)).collect();
    let mut ends = HashMap::new();
    for id in ids {
        let end = match found.get(id) {
            Some(user) => end(site, user, passwords.get(id)),
            // Asked for once more, alone: with the very statement that let the user in.
            None => match site.users.by_ticket_value(&Value::from(id)).await {
                Ok(Some(user)) => end(site, &user, passwords.get(id)),
                Ok(None) | Err(UserStoreError::Unconvertible | UserStoreError::MultipleRows) => {
                    Some(End::All(Reason::UserNotFound))
                }
                Err(error) => return Err(error),
            },
        };
        if let Some(end) = end {
            ends.insert(id.clone(), end);
        }
    }
    Ok(ends)
}

fn end(site: &WebSocketSite, user: &User, passwords: Option<&Vec<[u8; 16]>>) -> Option<End> {
    if site.options.check_user_is_active && !user.is_active {
        return Some(End::All(Reason::UserInactive));
    }
    let passwords = passwords.filter(|known| site.needs.password && !known.is_empty())?;
    let current = password_digest(user.password.expose());
    passwords.iter().any(|password| *password != current).then_some(End::OtherPassword(current))
}

/// Closes the sockets of `ends` that are older than the entry `until`.
fn close(open: &OpenSockets, until: u64, ends: &HashMap<UserId, End>) {
    if ends.is_empty() {
        return;
    }
    let mut closed: HashMap<(UserId, Reason), usize> = HashMap::new();
    let reason = |entered: &Entered<'_>| match ends.get(&entered.connected.user)? {
        End::All(reason) => Some(*reason),
        End::OtherPassword(current) => {
            let password = entered.connected.token.as_ref()?.password?;
            (password != *current).then_some(Reason::PasswordChanged)
        }
    };
    open.roll.close_where(|entered| {
        let reason = reason(entered).filter(|_| entered.number < until)?;
        *closed.entry((entered.connected.user.clone(), reason)).or_default() += 1;
        Some(CloseFrame::refusal(reason))
    });
    for ((user, reason), sockets) in closed {
        open.metrics.ended.closed(reason, sockets);
        tracing::info!(%reason, user.id = user.to_string(), sockets, "sockets closed");
    }
}
