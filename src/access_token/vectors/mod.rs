//! What the real packages answered, replayed (`tests/vectors/http-*.json`).

mod classes;
mod jwks;
mod keys;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{AccessTokenOptions, Algorithm, OneOrMany, Refusal, TokenClass, TokenError, Verifier};
use crate::{
    python::{
        self, Value,
        json::{JsonStyle, dumps_with},
    },
    secret::Secret,
    user::{User, UserId, UserStore, UserStoreError},
};

/// Between the vectors' tokens of the past and those of 2100.
const NOW: u64 = 1_800_000_000;

const INVALID: &str = concat!(
    r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","#,
    r#""messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid"}]}"#
);
const NOT_FOUND: &str = r#"{"detail":"User not found","code":"user_not_found"}"#;

fn read(name: &str) -> Json {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// `SIMPLE_JWT` of a vector, over its base project's.
fn options(settings: &Json) -> AccessTokenOptions {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let one_or_many = |value: &Json| match value {
        Json::Array(items) => OneOrMany::Many(items.iter().filter_map(text).collect()),
        one => OneOrMany::One(text(one).unwrap()),
    };
    let mut options = AccessTokenOptions {
        signing_key: Secret::new(read("keys")["SECRET_KEY"].as_str().unwrap()),
        ..AccessTokenOptions::default()
    };
    for (name, value) in settings["SIMPLE_JWT"].as_object().into_iter().flatten() {
        match name.as_str() {
            "ALGORITHM" => options.algorithm = Algorithm::from_name(value.as_str().unwrap()).unwrap(),
            "SIGNING_KEY" => options.signing_key = Secret::new(text(value).unwrap()),
            "VERIFYING_KEY" => options.verifying_key = text(value).map(Secret::new),
            "JWK_URL" => options.jwk_url = text(value),
            "AUDIENCE" => options.audience = Some(one_or_many(value)),
            "ISSUER" => options.issuer = Some(one_or_many(value)),
            "LEEWAY" => options.leeway = Duration::from_secs(value.as_u64().unwrap()),
            "AUTH_HEADER_TYPES" => {
                options.auth_header_types = match one_or_many(value) {
                    OneOrMany::One(one) => vec![one],
                    OneOrMany::Many(many) => many,
                };
            }
            "AUTH_HEADER_NAME" => options.auth_header_name = text(value).unwrap(),
            "USER_ID_CLAIM" => options.user_id_claim = text(value).unwrap(),
            "TOKEN_TYPE_CLAIM" => options.token_type_claim = text(value),
            "JTI_CLAIM" => options.jti_claim = text(value),
            "CHECK_REVOKE_TOKEN" => options.check_revoke_token = value.as_bool().unwrap(),
            "CHECK_USER_IS_ACTIVE" => options.check_user_is_active = value.as_bool().unwrap(),
            "AUTH_TOKEN_CLASSES" => {
                options.token_classes = value.as_array().unwrap().iter().filter_map(Json::as_str).map(class).collect();
            }
            "USER_ID_FIELD" => {} // The user store's affair.
            other => panic!("a setting that is not understood: {other}"),
        }
    }
    options
}

fn class(path: &str) -> TokenClass {
    let name = path.rsplit('.').next().unwrap();
    let shown = name.trim_end_matches("Token").to_lowercase();
    TokenClass {
        name: name.to_owned(),
        token_type: (shown != "untyped").then(|| shown.clone()),
        token_type_shown: shown,
        // The base project has no blacklist app.
        checks_blacklist: false,
    }
}

/// The rows of `users.json`, looked up as Django's fields would.
struct Rows {
    rows: Vec<Json>,
    field: String,
}

impl Rows {
    fn of(case: &Json) -> Self {
        let model = case["user_model"].as_str().unwrap_or("default");
        let rows = read("users")["user_models"][model]["rows"].as_array().unwrap().clone();
        Self { rows, field: case["settings"]["SIMPLE_JWT"]["USER_ID_FIELD"].as_str().unwrap_or("id").to_owned() }
    }
}

#[async_trait]
impl UserStore for Rows {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        if *claim == Value::None {
            return Ok(None);
        }
        let is_uuid = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let wanted = match &self.rows[0][&self.field] {
            Json::Number(_) => match python::int(claim).map_err(|_| UserStoreError::Unconvertible)? {
                Value::Int(number) => Json::from(number),
                _ => Json::Null,
            },
            Json::String(text) if is_uuid(text) => {
                let uuid = python::uuid(claim).map_err(|_| UserStoreError::Unconvertible)?;
                Json::from(uuid.simple().to_string())
            }
            _ => Json::from(python::str(claim).ok_or(UserStoreError::Unconvertible)?),
        };
        Ok(self.rows.iter().find(|row| row[&self.field] == wanted).map(|row| User {
            id: UserId::Int(0),
            username: None,
            is_active: row["is_active"] == 1,
            password: Secret::new(row["password"].as_str().unwrap()),
            fields: Box::default(),
        }))
    }

    async fn by_ticket_value(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        unreachable!()
    }

    async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
        unreachable!()
    }

    async fn is_blacklisted(&self, _: &str) -> Result<bool, UserStoreError> {
        unreachable!()
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        unreachable!()
    }
}

/// The way of a request through `JWTAuthentication`, as far as a status and a body.
async fn authenticate(verifier: &Verifier, header: Option<&[u8]>, users: &dyn UserStore) -> (u64, String) {
    let refused = |refusal: Refusal| {
        let body = refusal.error_body(&str::to_owned);
        (401, dumps_with(&Value::from(body), JsonStyle::drf(true, true, None)).unwrap())
    };
    let raw = match verifier.raw_token(header) {
        Ok(Some(raw)) => raw,
        Ok(None) => return (401, r#"{"detail":"Authentication credentials were not provided."}"#.to_owned()),
        Err(refusal) => return refused(refusal),
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let claims = match verifier.verify(raw, now, users).await {
        Ok(claims) => claims,
        Err(TokenError::Refused(refusal)) => return refused(refusal),
        Err(TokenError::KeysUnavailable | TokenError::BlacklistUnavailable(_)) => return (503, String::new()),
    };
    let user = match verifier.user_id(&claims) {
        Ok(id) => match users.by_claim(id).await {
            Ok(Some(user)) => verifier.check_user(&claims, &user),
            Ok(None) | Err(_) => Err(Refusal::UserNotFound),
        },
        Err(refusal) => Err(refusal),
    };
    user.map_or_else(refused, |()| (200, String::new()))
}

/// The value of the header that WSGI calls `name`, as Django's ASGI handler joins it.
fn header(case: &Json, name: &str) -> Option<Vec<u8>> {
    let name = name.trim_start_matches("HTTP_").replace('_', "-");
    let values: Vec<String> = case["request"]["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(&name))
        .map(|header| header[1].as_str().unwrap().to_owned())
        .collect();
    let latin_1 = |text: String| text.chars().map(|c| u8::try_from(c).unwrap()).collect();
    (!values.is_empty()).then(|| latin_1(values.join(",")))
}

/// Replays `file`. `differences`: the cases whose answer differs on purpose, and ours.
async fn replay(file: &str, differences: &[(&str, u64, &str)]) {
    let mut differences: BTreeMap<&str, (u64, &str)> =
        differences.iter().map(|&(name, status, body)| (name, (status, body))).collect();
    let vectors = read(file);
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let options = options(&case["settings"]);
        let header = header(case, &options.auth_header_name);
        let verifier = Verifier::new(options).unwrap_or_else(|error| panic!("{file}: {name}: {error}"));
        let answer = authenticate(&verifier, header.as_deref(), &Rows::of(case)).await;
        let (status, body) = differences.remove(name).unwrap_or_else(|| {
            let body = if case["expect"]["status"] == 200 { "" } else { case["expect"]["body"].as_str().unwrap() };
            (case["expect"]["status"].as_u64().unwrap(), body)
        });
        assert_eq!(answer, (status, body.to_owned()), "{file}: {name}");
    }
    assert!(differences.is_empty(), "{file} has no such cases: {differences:?}");
}

#[tokio::test]
async fn headers_are_read_as_simplejwt_does() {
    replay("http-authorization-header", &[]).await;
}

#[tokio::test]
async fn tokens_are_taken_apart_as_pyjwt_does() {
    replay("http-token-structure", &[]).await;
}

#[tokio::test]
async fn every_algorithm_verifies_as_in_pyjwt() {
    replay("http-algorithms", &[]).await;
}

#[tokio::test]
async fn claims_are_checked_as_pyjwt_and_simplejwt_do() {
    // Odd content in a validly signed token: Django answers 500, we refuse the token in SimpleJWT's words.
    replay(
        "http-token-claims",
        &[
            ("exp numeric string in the future", 401, INVALID),
            ("exp one past year 9999", 401, INVALID),
            ("exp 10^30", 401, INVALID),
            ("user_id non-numeric string abc", 401, NOT_FOUND),
            ("user_id empty string", 401, NOT_FOUND),
            ("user_id string 1.0", 401, NOT_FOUND),
            ("user_id string 1e0", 401, NOT_FOUND),
            ("user_id list", 401, NOT_FOUND),
            ("user_id empty list", 401, NOT_FOUND),
            ("user_id object", 401, NOT_FOUND),
        ],
    )
    .await;
}

#[tokio::test]
async fn settings_mean_what_they_mean_to_simplejwt() {
    replay(
        "http-simplejwt-settings",
        &[
            // As above.
            ("field public_id not a uuid", 401, NOT_FOUND),
            ("uuid pk not a uuid", 401, NOT_FOUND),
            // The user has no attribute `id` for the ticket, which is not the token's fault: the settings are refused.
            ("pk named code valid token", 200, ""),
        ],
    )
    .await;
}
