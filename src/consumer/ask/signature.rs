//! `X-Sluicegate-Signature`: by it a view knows that a question is ours.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{digest, hmac};

use crate::secret::Secret;

/// The header's name.
pub(super) const HEADER: &str = "x-sluicegate-signature";
/// The `key_salt`.
const SALT: &str = "sluicegate.ask";

/// The key that questions are signed with.
#[derive(Clone)]
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key that Django derives from `secret`. Matches Django 5.2, utils/crypto.py, `salted_hmac`.
    pub(super) fn new(secret: &Secret) -> Self {
        let salted = [SALT.as_bytes(), secret.expose().as_bytes()].concat();
        let derived = digest::digest(&digest::SHA256, &salted);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// `<unix seconds>.<hex>`, where the digits are those of
    /// `salted_hmac("sluicegate.ask", b"<unix seconds>." + body, algorithm="sha256").hexdigest()`.
    pub(super) fn header(&self, body: &[u8], now: SystemTime) -> String {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut header = format!("{seconds}.");
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(header.as_bytes());
        signing.update(body);
        for byte in signing.sign().as_ref() {
            let _ = write!(header, "{byte:02x}");
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn questions_are_signed_as_django_signs() {
        let vectors = include_str!("../../../tests/vectors/ask-signature.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap();
            let key = SigningKey::new(&Secret::new(text("key")));
            let now = UNIX_EPOCH + Duration::from_secs(case["time"].as_u64().unwrap());
            assert_eq!(key.header(text("body").as_bytes(), now), text("header"), "{case}");
        }
    }
}
