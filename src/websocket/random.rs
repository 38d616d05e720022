//! Randomness for single frames.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Four bytes that nobody knows before they are sent: a mask, or a ping's payload.
pub(super) fn random_bytes() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    [a, b, c, d]
}
