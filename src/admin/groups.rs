//! The groups that sockets of this process are in.

use serde_json::{Value, json};

use super::board::Board;

/// The `most` largest, with the members that they have here.
pub(super) fn groups(board: &Board, most: usize) -> Value {
    let sizes = board.groups(most);
    let has_layer = sizes.is_some();
    let sizes = sizes.unwrap_or_default();
    let largest: Vec<_> =
        sizes.largest.iter().map(|(group, members)| json!({ "group": group, "members": members })).collect();
    json!({ "channel_layer": has_layer, "count": sizes.groups, "members": sizes.members, "largest": largest })
}
