//! What runs here, in a few numbers.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{answer::timestamp, board::Board};

pub(super) fn overview(board: &Board) -> Value {
    let (groups, crowd) = (board.groups(0), board.crowd());
    let open = board.open.registry.open();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "now": timestamp(SystemTime::now()),
        "started": timestamp(board.started),
        "uptime_seconds": board.started.elapsed().unwrap_or_default().as_secs(),
        "state": if board.open.is_draining() { "draining" } else { "serving" },
        "read_only": !board.access().has_token(),
        "sockets": {
            "open": open,
            "most": board.open.most(),
            "routes": crowd.routes(),
            "without_ticket": open.saturating_sub(crowd.sockets),
        },
        "groups": groups.map(|sizes| json!({ "count": sizes.groups, "members": sizes.members })),
        "refused": board.open.refusals.count(),
    })
}
