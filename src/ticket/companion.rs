//! What is kept of an access token beside the ticket that was issued for it, until the socket is closed for it.
//!
//! It stands in the same cache under the ticket's name with `.sluicegate` behind it, a JSON text in the form in which
//! Django would store a text. Django's own entry is the same as without it, and a ticket that Python redeems leaves it to
//! expire.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which of a token's claims the settings have a use for once the socket is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// `[websocket] expire_with_token`.
    pub(crate) exp: bool,
    /// A token class looks up the blacklist, and users are checked.
    pub(crate) jti: bool,
    /// `CHECK_REVOKE_TOKEN`, and users are checked.
    pub(crate) password: bool,
    /// `LEEWAY`, by which a socket outlives `exp`.
    pub(crate) leeway: Duration,
}

impl Needs {
    /// Whether there is anything to keep.
    pub(crate) fn any(self) -> bool {
        self.exp || self.jti || self.password
    }
}

/// The claims that are kept. `Debug` does not show them.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct Companion {
    /// `exp`, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    /// `JTI_CLAIM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    /// `REVOKE_TOKEN_CLAIM`: the MD5 of the stored password in upper-case hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
}

impl std::fmt::Debug for Companion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Companion(***)")
    }
}

impl Companion {
    /// The text that is stored; `None` where nothing is to be kept.
    pub(crate) fn to_json(&self) -> Option<String> {
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }

    /// What a stored text says; a text that is none of ours says nothing.
    pub(crate) fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| {
            tracing::warn!(
                "what stands beside a ticket in the cache cannot be read: was it written by another version?"
            );
            Self::default()
        })
    }

    /// The password's MD5, if it is one.
    pub(crate) fn password_digest(&self) -> Option<[u8; 16]> {
        let is_digest = |text: &&String| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = self.password.as_ref().filter(is_digest)?;
        u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_is_known() {
        let companion = Companion { exp: Some(1_800_000_000), ..Companion::default() };
        let text = companion.to_json().unwrap();
        assert_eq!(text, r#"{"exp":1800000000}"#);
        assert_eq!(Companion::from_json(&text), companion);
        assert_eq!(Companion::default().to_json(), None);
        assert_eq!(Companion::from_json("\u{0}"), Companion::default());
        assert_eq!(Companion::from_json(r#"{"exp":1,"later":2}"#).exp, Some(1));
    }

    #[test]
    fn a_digest_has_32_digits() {
        let of = |text: &str| Companion { password: Some(text.to_owned()), ..Companion::default() }.password_digest();
        assert_eq!(of("000102030405060708090A0B0C0D0E0F").unwrap()[..3], [0, 1, 2]);
        for text in ["", "+00102030405060708090A0B0C0D0E0F", "00", "é"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
