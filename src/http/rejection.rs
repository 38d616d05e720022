//! Every way in which the ticket view refuses, and the answer to each: the only place that knows their statuses.
//!
//! Matches djangorestframework 3.18.3, exceptions.py and views.py (`handle_exception`, `exception_handler`).

use http::{HeaderName, StatusCode, header};

use super::language::Words;
use crate::{access_token::Refusal, admission::RetryAfter, python::Value, reason::Reason};

/// Why there is no ticket.
#[derive(Debug)]
pub(super) enum Rejection {
    /// No authentication class found credentials of its kind.
    NotAuthenticated,
    /// There are no authentication classes.
    PermissionDenied,
    /// SimpleJWT found a token, and refused it or its user.
    Refused(Refusal),
    /// `?format=` names no renderer.
    UnknownFormat,
    /// No renderer makes what `Accept` asks for.
    NotAcceptable,
    /// More query parameters than `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
    TooManyFields,
    /// By its name.
    MethodNotAllowed(String),
    /// Seconds until a request would be let through, where known.
    Throttled { wait: Option<f64> },
    /// The cache or the database did not answer, where Django answers with 500.
    Unavailable { reason: Reason, error: String },
    /// The line before the view is full, the turn did not come in time, or the process is shutting down.
    NotLetIn { reason: Reason, retry_after: RetryAfter },
    /// The key set of `JWK_URL` cannot be had, where Django answers with 401 or 500.
    KeysUnavailable { error: String },
    /// What Django answers with 500 whatever the client sends, such as two users with one id.
    ServerError { error: String },
}

/// What answers a [`Rejection`].
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// One of Django's pages: the exception leaves the view.
    Page(StatusCode),
    /// DRF's answer, with the header that belongs to it.
    Json { status: StatusCode, data: Value, header: Option<(HeaderName, String)> },
}

impl Rejection {
    /// The answer. `challenge` is what the first authentication class puts into `WWW-Authenticate`: without one, failed
    /// authentication is 403.
    pub(super) fn reply(&self, words: Words<'_>, challenge: Option<&str>) -> Reply {
        let plain = |status, text: &str| Reply::Json { status, data: detail(text), header: None };
        let unauthorized = |data| {
            let status = if challenge.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
            Reply::Json { status, data, header: challenge.map(|text| (header::WWW_AUTHENTICATE, text.to_owned())) }
        };
        match self {
            Self::NotAuthenticated => {
                unauthorized(detail(words.translate("Authentication credentials were not provided.")))
            }
            Self::PermissionDenied => {
                plain(StatusCode::FORBIDDEN, words.translate("You do not have permission to perform this action."))
            }
            Self::Refused(refusal) => unauthorized(refusal.error_body(&|text| words.translate(text).to_owned()).into()),
            Self::UnknownFormat => plain(StatusCode::NOT_FOUND, words.translate("Not found.")),
            Self::NotAcceptable => {
                plain(StatusCode::NOT_ACCEPTABLE, words.translate("Could not satisfy the request Accept header."))
            }
            Self::MethodNotAllowed(method) => {
                let text = words.translate("Method \"{method}\" not allowed.").replace("{method}", method);
                plain(StatusCode::METHOD_NOT_ALLOWED, &text)
            }
            Self::Throttled { wait } => throttled(*wait, words),
            // The reason's own sentence is for a handshake, whose ticket is gone.
            Self::Unavailable { reason: reason @ Reason::UnavailableDatabase, .. } => {
                unavailable("The database does not answer. Try again later.", reason.code(), RetryAfter::usual())
            }
            Self::Unavailable { reason, .. } => unavailable(reason.detail(), reason.code(), RetryAfter::usual()),
            Self::NotLetIn { reason: reason @ Reason::Overloaded, retry_after } => {
                let text = "More tickets are asked for than can be issued. Try again later.";
                unavailable(text, reason.code(), *retry_after)
            }
            Self::NotLetIn { reason, retry_after } => unavailable(reason.detail(), reason.code(), *retry_after),
            Self::KeysUnavailable { .. } => {
                let text = "The keys that check tokens cannot be fetched. Try again later.";
                unavailable(text, self.code(), RetryAfter::usual())
            }
            Self::TooManyFields => Reply::Page(StatusCode::BAD_REQUEST),
            Self::ServerError { .. } => Reply::Page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl Rejection {
    /// The reason, for log and metric: where the answer has a `code`, it is that one.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NotAuthenticated => "not_authenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Refused(refusal) => refusal.code(),
            Self::UnknownFormat => "not_found",
            Self::NotAcceptable => "not_acceptable",
            Self::TooManyFields => "too_many_fields",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { reason, .. } | Self::NotLetIn { reason, .. } => reason.code(),
            Self::KeysUnavailable { .. } => "unavailable_keys",
            Self::ServerError { .. } => "error",
        }
    }

    /// What went wrong on our side, if that is why.
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Unavailable { error, .. } | Self::KeysUnavailable { error } | Self::ServerError { error } => {
                Some(error)
            }
            _ => None,
        }
    }
}

/// `Throttled`: the seconds are put into the translated sentence, whose singular is for 1 alone.
fn throttled(wait: Option<f64>, words: Words<'_>) -> Reply {
    let mut text = words.translate("Request was throttled.").to_owned();
    let seconds = wait.map(|wait| format!("{:.0}", wait.ceil()));
    if let Some(seconds) = &seconds {
        let singular = seconds == "1";
        let expected = words.translate(if singular {
            "Expected available in {wait} second."
        } else {
            "Expected available in {wait} seconds."
        });
        text = format!("{text} {}", expected.replace("{wait}", seconds));
    }
    Reply::Json {
        status: StatusCode::TOO_MANY_REQUESTS,
        data: detail(&text),
        header: seconds.filter(|seconds| seconds != "0").map(|seconds| (header::RETRY_AFTER, seconds)),
    }
}

fn unavailable(text: &str, code: &str, retry_after: RetryAfter) -> Reply {
    let entry = |key: &str, text: &str| (key.to_owned(), Value::Str(text.to_owned()));
    Reply::Json {
        status: StatusCode::SERVICE_UNAVAILABLE,
        data: Value::Dict(vec![entry("detail", text), entry("code", code)]),
        header: Some((header::RETRY_AFTER, retry_after.to_string())),
    }
}

fn detail(text: &str) -> Value {
    Value::Dict(vec![("detail".to_owned(), Value::Str(text.to_owned()))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::options::LanguageOptions;

    fn reply(rejection: &Rejection, challenge: Option<&str>) -> (u16, String, Option<String>) {
        match rejection.reply(Words::of("en", &LanguageOptions::default()), challenge) {
            Reply::Json { status, data, header } => {
                let text = data.get("detail").and_then(Value::as_str).unwrap_or_default();
                (status.as_u16(), text.to_owned(), header.map(|(name, value)| format!("{name}: {value}")))
            }
            Reply::Page(status) => (status.as_u16(), String::new(), None),
        }
    }

    #[test]
    fn failed_authentication_without_a_challenge_is_forbidden() {
        let text = "Authentication credentials were not provided.".to_owned();
        assert_eq!(reply(&Rejection::NotAuthenticated, None), (403, text.clone(), None));
        let header = Some("www-authenticate: JWT realm=\"api\"".to_owned());
        assert_eq!(reply(&Rejection::NotAuthenticated, Some("JWT realm=\"api\"")), (401, text, header));
    }

    #[test]
    fn the_wait_of_a_throttled_request_is_rounded_up() {
        for (wait, text, header) in [
            (Some(59.1), " Expected available in 60 seconds.", Some("retry-after: 60")),
            (Some(0.2), " Expected available in 1 second.", Some("retry-after: 1")),
            (Some(0.0), " Expected available in 0 seconds.", None),
            (None, "", None),
        ] {
            let expected = (429, format!("Request was throttled.{text}"), header.map(str::to_owned));
            assert_eq!(reply(&Rejection::Throttled { wait }, None), expected);
        }
    }

    #[test]
    fn a_part_that_does_not_answer_is_named_with_a_time_to_try_again() {
        let unavailable = |reason| Rejection::Unavailable { reason, error: "down".to_owned() };
        let (status, text, header) = reply(&unavailable(Reason::UnavailableCache), None);
        assert_eq!((status, text.as_str()), (503, "The cache does not answer. Try again later."));
        let seconds = header.unwrap().strip_prefix("retry-after: ").unwrap().parse::<u64>().unwrap();
        assert!((1..=9).contains(&seconds), "{seconds}");
        let (status, text, _) = reply(&unavailable(Reason::UnavailableDatabase), None);
        assert_eq!((status, text.as_str()), (503, "The database does not answer. Try again later."));
    }
}
