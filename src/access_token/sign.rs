//! Access tokens as SimpleJWT makes them, for the demo and for tests.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use uuid::Uuid;

use super::{AccessTokenOptions, OneOrMany, keys::jsonwebtoken_algorithm, verifier::md5_hash_password};
use crate::{
    python::{
        Value,
        json::{JsonStyle, dumps_with},
    },
    user::User,
};

/// A token could not be made: the algorithm is not HS*, or the key is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only tokens with a shared secret (HS256, HS384, HS512) are made here")]
pub(crate) struct CannotSign;

/// An access token for `user`, valid for `lifetime` from `now` on.
///
/// Matches SimpleJWT 5.5.1, tokens.py, `AccessToken.for_user`: the claims, their types and their order.
///
/// # Errors
///
/// [`CannotSign`].
pub(crate) fn access_token(
    options: &AccessTokenOptions,
    user: &User,
    now: SystemTime,
    lifetime: Duration,
) -> Result<String, CannotSign> {
    let second = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Value::Int(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    };
    let text = |text: String| Value::Str(text);
    let mut claims = Vec::new();
    if let Some(name) = &options.token_type_claim {
        claims.push((name.clone(), text("access".to_owned())));
    }
    claims.push(("exp".to_owned(), second(now.checked_add(lifetime).unwrap_or(now))));
    claims.push(("iat".to_owned(), second(now)));
    if let Some(name) = &options.jti_claim {
        claims.push((name.clone(), text(Uuid::new_v4().simple().to_string())));
    }
    let id = crate::python::str(&Value::from(&user.id)).unwrap_or_default();
    claims.push((options.user_id_claim.clone(), text(id)));
    if options.check_revoke_token {
        claims.push((options.revoke_token_claim.clone(), text(md5_hash_password(user.password.expose()))));
    }
    for (name, setting) in [("aud", &options.audience), ("iss", &options.issuer)] {
        match setting {
            None => {}
            Some(OneOrMany::One(one)) => claims.push((name.to_owned(), text(one.clone()))),
            Some(OneOrMany::Many(many)) => {
                claims.push((name.to_owned(), Value::List(many.iter().cloned().map(Value::Str).collect())));
            }
        }
    }
    sign(options, &Value::Dict(claims))
}

/// `claims`, signed with `SIGNING_KEY`. Matches PyJWT 2.15.1, `api_jwt.py`, `encode`.
///
/// # Errors
///
/// [`CannotSign`].
fn sign(options: &AccessTokenOptions, claims: &Value) -> Result<String, CannotSign> {
    sign_payload(options, &dumps_with(claims, JsonStyle::COMPACT).map_err(|_| CannotSign)?)
}

/// `payload`, whatever it is, signed with `SIGNING_KEY`.
pub(super) fn sign_payload(options: &AccessTokenOptions, payload: &str) -> Result<String, CannotSign> {
    let secret = options.signing_key.expose();
    let algorithm = jsonwebtoken_algorithm(options.algorithm)
        .filter(|_| options.algorithm.is_symmetric() && !secret.is_empty())
        .ok_or(CannotSign)?;
    let header = format!("{{\"alg\":\"{}\",\"typ\":\"JWT\"}}", options.algorithm.name());
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &key, algorithm).map_err(|_| CannotSign)?;
    Ok(format!("{input}.{signature}"))
}
