//! Where the answer differs from Django's on purpose: file, recording, reason, and what is answered instead.

/// One deliberate difference.
pub(super) struct Difference {
    pub(super) file: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) reason: &'static str,
    pub(super) status: u16,
    /// What the body has in it.
    pub(super) body: &'static str,
}

/// Recordings that no start reaches, with the reason.
pub(super) const REFUSED_AT_START: [(&str, &str, &str); 1] = [(
    "http-simplejwt-settings.json",
    "pk named code valid token",
    "a user model without an attribute id cannot have tickets (Django answers 500): the settings are refused",
)];

const NOT_CONVERTIBLE: &str = "a claim that cannot be a key of the user table is no user's: 401, not 500";
const NOT_A_TIME: &str = "an exp that Python cannot use as a time makes the token invalid: 401, not 500";
const BROWSABLE: &str = "the browsable page is answered as JSON";
const BASIC: &str = "passwords are not checked: credentials of another kind are as if absent";

const USER_NOT_FOUND: &str = r#"{"detail":"User not found","code":"user_not_found"}"#;
const NO_CREDENTIALS: &str = r#"{"detail":"Authentication credentials were not provided."}"#;

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        file: "http-content-negotiation.json",
        names: &["Accept browser", "Accept text/html", "?format=api"],
        reason: BROWSABLE,
        status: 200,
        body: "{\"uuid\":\"",
    },
    Difference {
        file: "http-content-negotiation.json",
        names: &["Accept text/html without auth"],
        reason: BROWSABLE,
        status: 401,
        body: NO_CREDENTIALS,
    },
    Difference {
        file: "http-methods.json",
        names: &["unknown method with auth"],
        reason: "uvicorn's parser refuses a method that it does not know; Django's own answer is given, as under Daphne",
        status: 405,
        body: r#"{"detail":"Method \"FOO\" not allowed."}"#,
    },
    Difference {
        file: "http-auth-classes.json",
        names: &["[basic,jwt] valid Basic credentials", "[basic,jwt] wrong Basic credentials"],
        reason: BASIC,
        status: 401,
        body: NO_CREDENTIALS,
    },
    Difference {
        file: "http-auth-classes.json",
        names: &[
            "[session,basic (DRF default)] valid Basic credentials",
            "[session,basic (DRF default)] wrong Basic credentials",
            "[session,basic,jwt] valid Basic credentials",
            "[session,basic,jwt] wrong Basic credentials",
        ],
        reason: BASIC,
        status: 403,
        body: NO_CREDENTIALS,
    },
    Difference {
        file: "http-simplejwt-settings.json",
        names: &["field public_id not a uuid", "uuid pk not a uuid"],
        reason: NOT_CONVERTIBLE,
        status: 401,
        body: USER_NOT_FOUND,
    },
    Difference {
        file: "http-token-claims.json",
        names: &["exp numeric string in the future", "exp one past year 9999", "exp 10^30"],
        reason: NOT_A_TIME,
        status: 401,
        body: "\"message\":\"Token is invalid\"",
    },
    Difference {
        file: "http-token-claims.json",
        names: &[
            "user_id non-numeric string abc",
            "user_id empty string",
            "user_id string 1.0",
            "user_id string 1e0",
            "user_id list",
            "user_id empty list",
            "user_id object",
        ],
        reason: NOT_CONVERTIBLE,
        status: 401,
        body: USER_NOT_FOUND,
    },
];
