//! What is looked at on the way of a token, in order: for `sluicegate explain-token`.

use super::{Message, TokenClass};
use crate::python::Value;

/// One thing that was looked at.
pub(crate) enum Step<'a> {
    /// Whether it has three parts in base64url, and a header that PyJWT takes.
    Form(bool),
    /// The header's `alg`, and the one that the settings name.
    Algorithm {
        found: Option<&'a str>,
        expected: &'static str,
    },
    /// The key: by which setting, and whether there is one for this token.
    Key {
        setting: &'static str,
        found: bool,
    },
    Signature(bool),
    /// Whether the payload is a JSON object.
    Payload(bool),
    /// `iat`, `nbf` or `exp`, where the token has it.
    Time {
        name: &'static str,
        claim: &'a Value,
        good: bool,
    },
    /// `iss`, `aud`, or `sub` and `jti`, by what they are compared with.
    Compared {
        name: &'static str,
        good: bool,
    },
    /// The blacklist, where the class looks it up.
    Blacklist {
        class: &'a TokenClass,
        result: Result<(), Message>,
    },
    /// What a class of `AUTH_TOKEN_CLASSES` says.
    Class {
        class: &'a TokenClass,
        result: Result<(), Message>,
    },
}

/// Who is told each step. The server tells nobody, which costs nothing.
pub(crate) trait Watch: Send {
    fn saw(&mut self, step: Step<'_>);
}

/// Nobody.
impl Watch for () {
    #[inline]
    fn saw(&mut self, _: Step<'_>) {}
}
