//! The handshakes that were refused lately, and what the reasons mean.

use serde_json::{Value, json};

use super::{answer::timestamp, board::Board};
use crate::{reason::Reason, websocket::RefusedHandshake};

/// Those after number `after`, the latest first.
pub(super) fn refusals(board: &Board, after: u64) -> Value {
    let refused: Vec<_> = board.open.refusals.after(after).iter().map(to_json).collect();
    json!({ "count": board.open.refusals.count(), "refusals": refused })
}

fn to_json(refused: &RefusedHandshake) -> Value {
    json!({
        "number": refused.number,
        "at": timestamp(refused.at),
        "reason": refused.reason.code(),
        "path": refused.path,
        "address": refused.address.to_string(),
    })
}

/// Every reason with its sentence.
pub(super) fn reasons() -> Value {
    let reasons = Reason::ALL.iter().map(|reason| json!({ "code": reason.code(), "detail": reason.detail() }));
    reasons.collect()
}
