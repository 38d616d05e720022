//! Who is connected, in pages.

use serde_json::{Value, json};

use super::{answer::timestamp, board::Board};
use crate::websocket::{ConnectedSocket, Listed};

/// How far a listing goes: beyond that, searching finds more than turning pages.
pub(super) const FURTHEST: usize = 10_000;

/// `limit` sockets from `offset` on, the latest first: all, or those of users whose id is `search` or whose username
/// has it in it, in upper or lower case.
pub(super) fn connected(board: &Board, search: Option<&str>, offset: usize, limit: usize) -> Value {
    let crowd = board.crowd();
    let roll = &board.open.roll;
    let most = offset.saturating_add(limit);
    let (listed, matched) = match search.map(str::to_lowercase) {
        Some(search) => roll.list(most, |connected| is_found(connected, &search)),
        None => roll.list(most, |_| true),
    };
    let listed: Vec<_> = listed.iter().skip(offset).map(to_json).collect();
    json!({
        "sockets": crowd.sockets,
        "users": crowd.users,
        "matched": matched,
        "offset": offset,
        "furthest": FURTHEST,
        "listed": listed,
    })
}

fn is_found(connected: &ConnectedSocket, search: &str) -> bool {
    connected.user.to_string().to_lowercase() == search
        || connected.username.as_ref().is_some_and(|username| username.to_lowercase().contains(search))
}

fn to_json(listed: &Listed) -> Value {
    let ConnectedSocket { user, username, route, address, since, .. } = &listed.connected;
    json!({
        "number": listed.number,
        // As text: JavaScript's numbers end at 2^53.
        "user": user.to_string(),
        "username": username,
        "route": **route,
        "address": address.to_string(),
        "since": timestamp(*since),
    })
}
