//! SimpleJWT's words: every text that it refuses a token with.

use crate::python::Value;

/// A refused request, as SimpleJWT 5.5.1 tells it: status 401, or 403 where the first authentication class sends no
/// challenge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The scheme is ours, but not exactly one word follows.
    #[error("Authorization header must contain two space-delimited values")]
    BadAuthorizationHeader,
    /// No class of `AUTH_TOKEN_CLASSES` took the token: what each of them said, in order.
    #[error("Given token not valid for any token type")]
    NotValid(Vec<ClassRefusal>),
    /// The token has no `USER_ID_CLAIM`.
    #[error("Token contained no recognizable user identification")]
    NoUserIdentification,
    /// No user has that `USER_ID_FIELD`.
    #[error("User not found")]
    UserNotFound,
    /// `CHECK_USER_IS_ACTIVE` and `is_active` is false.
    #[error("User is inactive")]
    UserInactive,
    /// `CHECK_REVOKE_TOKEN` and the claim is not the stored password's hash.
    #[error("The user's password has been changed.")]
    PasswordChanged,
}

/// What one class of `AUTH_TOKEN_CLASSES` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassRefusal {
    pub(crate) token_class: String,
    pub(crate) token_type: String,
    pub(crate) message: Message,
}

/// Why a class refused the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Invalid,
    Expired,
    Blacklisted,
    NoExp,
    NoId,
    NoType,
    WrongType,
}

impl Message {
    /// In SimpleJWT's words.
    pub(crate) fn detail(self) -> String {
        let (text, claim) = self.text();
        text.replace("{}", claim)
    }

    /// The `msgid` that SimpleJWT translates, and what `{}` in it stands for.
    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Invalid => ("Token is invalid", ""),
            Self::Expired => ("Token is expired", ""),
            Self::Blacklisted => ("Token is blacklisted", ""),
            Self::NoExp => ("Token has no '{}' claim", "exp"),
            Self::NoId => ("Token has no id", ""),
            Self::NoType => ("Token has no type", ""),
            Self::WrongType => ("Token has wrong type", ""),
        }
    }
}

/// The JSON that answers a [`Refusal`], in the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    pub(crate) detail: String,
    pub(crate) code: &'static str,
    /// One for each class; empty: the key is absent.
    pub(crate) messages: Vec<ErrorMessage>,
}

/// An entry of `messages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorMessage {
    pub(crate) token_class: String,
    pub(crate) token_type: String,
    pub(crate) message: String,
}

impl Refusal {
    /// `code` in the body.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::BadAuthorizationHeader => "bad_authorization_header",
            Self::NotValid(_) | Self::NoUserIdentification => "token_not_valid",
            Self::UserNotFound => "user_not_found",
            Self::UserInactive => "user_inactive",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// The body, each text passed through `translate` (which gives back what it does not know).
    ///
    /// Matches SimpleJWT, authentication.py and exceptions.py, `DetailDictMixin`.
    pub(crate) fn error_body(&self, translate: &dyn Fn(&str) -> String) -> ErrorBody {
        let messages = match self {
            Self::NotValid(classes) => classes
                .iter()
                .map(|class| {
                    let (text, claim) = class.message.text();
                    ErrorMessage {
                        token_class: class.token_class.clone(),
                        token_type: class.token_type.clone(),
                        message: translate(text).replace("{}", claim),
                    }
                })
                .collect(),
            _ => Vec::new(),
        };
        ErrorBody { detail: translate(&self.to_string()), code: self.code(), messages }
    }
}

impl From<ErrorBody> for Value {
    fn from(body: ErrorBody) -> Self {
        let entry = |key: &str, text: String| (key.to_owned(), Self::Str(text));
        let mut entries = vec![entry("detail", body.detail), entry("code", body.code.to_owned())];
        if !body.messages.is_empty() {
            let messages = body.messages.into_iter().map(|message| {
                Self::Dict(vec![
                    entry("token_class", message.token_class),
                    entry("token_type", message.token_type),
                    entry("message", message.message),
                ])
            });
            entries.push(("messages".to_owned(), Self::List(messages.collect())));
        }
        Self::Dict(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_translated_before_its_claim_is_filled_in() {
        let refusal = Refusal::NotValid(vec![ClassRefusal {
            token_class: "AccessToken".to_owned(),
            token_type: "access".to_owned(),
            message: Message::NoExp,
        }]);
        let german = |text: &str| match text {
            "Token has no '{}' claim" => "Token hat kein '{}'".to_owned(),
            other => other.to_owned(),
        };
        assert_eq!(refusal.error_body(&german).messages[0].message, "Token hat kein 'exp'");
        assert_eq!(refusal.error_body(&german).detail, "Given token not valid for any token type");
    }
}
