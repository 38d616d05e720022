//! Access tokens.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;

use super::{halves, is_same};
use crate::{
    access_token::{AccessTokenOptions, Claims, OneOrMany, Refusal, TokenClass, TokenError, Verifier},
    python::{self, Value, json},
    secret::Secret,
    user::{User, UserStore, UserStoreError},
};

const KEY: &str = "contract-test-secret-key-not-for-production-0123456789";
/// 2027-01-15 08:00 UTC.
const NOW: u64 = 1_800_000_000;
/// The header of a token, where the input gives none.
const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// `data` as the header `Authorization`; then, with a good signature, as the payload of a token, or as its header and
/// payload with a line feed between them.
///
/// # Panics
///
/// Where a token is accepted that is not signed, has expired, or is of another type; where a refusal has no words;
/// where JSON is not read as JSON.
pub fn token(data: &[u8]) {
    for options in [AccessTokenOptions::default(), every_option()] {
        let options = AccessTokenOptions { signing_key: Secret::new(KEY), ..options };
        let verifier = Verifier::new(options).expect("a shared secret is a key");
        authorization(&verifier, data);
        let (header, payload) = match halves(data, b'\n') {
            (payload, []) => (HEADER, payload),
            parts => parts,
        };
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signed = format!("{input}.{}", signature(input.as_bytes()));
        if let Some(claims) = verify(&verifier, signed.as_bytes()) {
            accepted(&verifier, &claims);
        }
        read_json(payload);
    }
}

fn every_option() -> AccessTokenOptions {
    let class = TokenClass { checks_blacklist: true, ..TokenClass::default() };
    let untyped = TokenClass { name: "UntypedToken".to_owned(), token_type: None, ..TokenClass::default() };
    AccessTokenOptions {
        audience: Some(OneOrMany::Many(vec!["a".to_owned(), "b".to_owned()])),
        issuer: Some(OneOrMany::One("i".to_owned())),
        leeway: Duration::from_secs(30),
        token_classes: vec![class, untyped],
        ..AccessTokenOptions::default()
    }
}

fn authorization(verifier: &Verifier, header: &[u8]) {
    match verifier.raw_token(Some(header)) {
        Ok(None) => {}
        Ok(Some(raw)) => {
            if let Some(claims) = verify(verifier, raw) {
                let text = std::str::from_utf8(raw).expect("an accepted token is text");
                let (input, signed) = text.rsplit_once('.').expect("an accepted token has a signature");
                assert_eq!(signed.trim_end_matches('='), signature(input.as_bytes()), "accepted without our signature");
                accepted(verifier, &claims);
            }
        }
        Err(refusal) => refused(&refusal),
    }
}

fn verify(verifier: &Verifier, raw: &[u8]) -> Option<Claims> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    match verifier.verify(raw, now, &Nobody).now_or_never().expect("a shared secret waits for nobody") {
        Ok(claims) => Some(claims),
        Err(TokenError::Refused(refusal)) => {
            refused(&refusal);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn signature(input: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), input))
}

fn accepted(verifier: &Verifier, claims: &Claims) {
    let options = verifier.options();
    let exp = python::int(claims.get("exp").expect("an accepted token ends some day")).expect("a time is a number");
    let Value::Int(exp) = exp else { panic!("a time beyond 64 bits was accepted") };
    let leeway = options.leeway.as_secs();
    assert!(u64::try_from(exp).is_ok_and(|exp| exp > NOW - leeway), "an expired token was accepted");
    if options.token_classes.iter().all(|class| class.token_type.is_some()) {
        assert_eq!(claims.get("token_type").and_then(Value::as_str), Some("access"), "a token of another type");
    }
    assert!(claims.get("jti").is_some_and(Value::is_str), "a token without an id");
    match verifier.user_id(claims) {
        // What a lookup converts it with, whatever the field is.
        Ok(id) => {
            let _ = (python::int(id), python::uuid(id), python::str(id));
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) {
    let body = refusal.error_body(&str::to_owned);
    assert!(!body.detail.is_empty() && body.messages.iter().all(|message| !message.message.is_empty()));
    json::dumps(&Value::from(body)).expect("an answer is JSON");
}

/// Whatever JSON is, Python reads, and what is written again reads the same.
fn read_json(text: &[u8]) {
    let value = json::loads(text);
    if let Ok(text) = std::str::from_utf8(text)
        && text.len() < 4300
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    {
        assert!(value.is_ok(), "JSON was refused");
    }
    // Lone surrogates are not kept, so that they cannot be written.
    if let Ok(value) = value
        && let Ok(written) = json::dumps(&value)
    {
        let again = json::loads_str(&written).expect("what was written is JSON");
        assert!(is_same(&value, &again), "{written}");
    }
}

/// No users, and one id on the blacklist.
struct Nobody;

#[async_trait]
impl UserStore for Nobody {
    async fn by_claim(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        Ok(None)
    }

    async fn by_ticket_value(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        Ok(None)
    }

    async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
        Ok(None)
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        Ok(jti == "b")
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        Ok(())
    }
}
