//! What runs here, in a few numbers.

use serde_json::{Value, json};

use super::{answer::timestamp, board::Board};

pub(super) fn overview(board: &Board) -> Value {
    let groups = board.groups(0);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "started": timestamp(board.started),
        "uptime_seconds": board.started.elapsed().unwrap_or_default().as_secs(),
        "state": if board.open.is_draining() { "draining" } else { "serving" },
        "read_only": !board.access().has_token(),
        "sockets": { "open": board.open.registry.open(), "most": board.open.most() },
        "groups": groups.map(|sizes| json!({ "count": sizes.groups, "members": sizes.members })),
        "refused": board.open.refusals.count(),
    })
}
