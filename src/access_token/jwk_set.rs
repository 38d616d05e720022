//! The document behind `JWK_URL`: which of its keys PyJWT would use.

use std::sync::Arc;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    Algorithm, KeyError,
    keys::VerifyingKey,
    public_key::{Curve, PublicKey},
};
use crate::python::{Value, json};

/// The signing keys of a JWKS, in its order.
#[derive(Debug)]
pub(super) struct JwkSet(Vec<SigningKey>);

#[derive(Debug)]
struct SigningKey {
    /// `None`: a `kid` that no token can name.
    kid: Option<String>,
    key: JwkKey,
}

/// What a JWK is good for.
#[derive(Clone, Debug)]
pub(super) enum JwkKey {
    /// Our algorithm.
    Verifies(Arc<VerifyingKey>),
    /// Others only. Django answers 500 to a token that names such a key.
    OfNoUse,
}

/// The document is no JWKS that PyJWT could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwkSetError {
    #[error("the answer is not a JSON object")]
    NotAnObject,
    #[error("the answer has no keys that can be used")]
    NoKeys,
}

impl JwkKey {
    /// The key, if it verifies our algorithm.
    pub(super) fn verifies(&self) -> Option<Arc<VerifyingKey>> {
        match self {
            Self::Verifies(key) => Some(Arc::clone(key)),
            Self::OfNoUse => None,
        }
    }
}

impl JwkSet {
    /// Reads the document. Keys that PyJWT cannot read are skipped, as are those for another `use` or without `kid`.
    /// Matches PyJWT 2.15.1, `api_jwk.py`, `PyJWKSet`, and `jwks_client.py`, `_get_signing_keys_from_jwk_set`.
    pub(super) fn parse(document: &[u8], algorithm: Algorithm) -> Result<Self, JwkSetError> {
        let document = json::loads(document).map_err(|_| JwkSetError::NotAnObject)?;
        if !matches!(document, Value::Dict(_)) {
            return Err(JwkSetError::NotAnObject);
        }
        let Some(Value::List(jwks)) = document.get("keys") else { return Err(JwkSetError::NoKeys) };
        let usable: Vec<(&Value, JwkKey)> =
            jwks.iter().filter_map(|jwk| Some((jwk, usable_key(jwk, algorithm)?))).collect();
        if usable.is_empty() {
            return Err(JwkSetError::NoKeys);
        }
        let signing = usable.into_iter().filter(|(jwk, _)| is_for_signatures(jwk)).filter_map(|(jwk, key)| {
            let kid = jwk.get("kid").filter(|kid| kid.is_truthy())?.as_str().map(str::to_owned);
            Some(SigningKey { kid, key })
        });
        Ok(Self(signing.collect()))
    }

    /// Whether there are keys at all to look among; if not, PyJWT gives up without another fetch.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first key of that name.
    pub(super) fn find(&self, kid: &str) -> Option<&JwkKey> {
        self.0.iter().find(|key| key.kid.as_deref() == Some(kid)).map(|key| &key.key)
    }
}

fn is_for_signatures(jwk: &Value) -> bool {
    match jwk.get("use") {
        None | Some(Value::None) => true,
        Some(usage) => usage.as_str() == Some("sig"),
    }
}

/// The key of one JWK; `None`: PyJWT skips it.
fn usable_key(jwk: &Value, algorithm: Algorithm) -> Option<JwkKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(base64url);
    let kty = text("kty").filter(|kty| !kty.is_empty())?;
    let crv = text("crv").unwrap_or_default();
    let alg = match jwk.get("alg") {
        Some(alg) if alg.is_truthy() => alg.as_str()?,
        _ => match (kty, crv) {
            ("EC", "P-256" | "") => "ES256",
            ("EC", "P-384") => "ES384",
            ("EC", "P-521") => "ES512",
            ("EC", "secp256k1") => "ES256K",
            ("RSA", _) => "RS256",
            ("oct", _) => "HS256",
            ("OKP", "Ed25519") => "EdDSA",
            _ => return None,
        },
    };
    let public = match (kty, alg) {
        // The key's own algorithm is not enforced, but must be one for this kind of key.
        ("RSA", "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512") => {
            let unsigned = |name| Some(bytes(name)?.into_iter().skip_while(|&byte| byte == 0).collect::<Vec<_>>());
            let (modulus, exponent) = (unsigned("n")?, unsigned("e")?);
            let is_odd_from_3 = exponent.last().is_some_and(|last| last % 2 == 1) && exponent != [1];
            if !is_odd_from_3 {
                return None;
            }
            if jwk.get("d").is_some() {
                return Some(JwkKey::OfNoUse); // A private key, with which PyJWT cannot verify.
            }
            PublicKey::Rsa { modulus, exponent }
        }
        ("EC", "ES256" | "ES256K" | "ES384" | "ES512" | "ES521") => {
            let curve = Curve::from_crv(crv)?;
            let coordinates = [bytes("x")?, bytes("y")?];
            if coordinates.iter().any(|coordinate| coordinate.len() != curve.size()) {
                return None;
            }
            PublicKey::Ec { curve, point: [vec![4], coordinates.concat()].concat() }
        }
        ("OKP", "EdDSA") if crv == "Ed25519" => PublicKey::Ed25519(bytes("x")?),
        ("OKP", "EdDSA") if crv == "Ed448" => PublicKey::Ed448(bytes("x")?),
        ("oct", "HS256" | "HS384" | "HS512") => {
            return bytes("k").filter(|secret| !secret.is_empty()).map(|_| JwkKey::OfNoUse);
        }
        _ => return None,
    };
    match VerifyingKey::new(&public, algorithm) {
        Ok(key) => Some(JwkKey::Verifies(Arc::new(key))),
        Err(KeyError::Unreadable) => None,
        Err(_) => Some(JwkKey::OfNoUse),
    }
}

/// `base64.urlsafe_b64decode` with padding made good: characters outside the alphabet are dropped.
fn base64url(text: &str) -> Option<Vec<u8>> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let digits: String = text
        .chars()
        .take_while(|&c| c != '=')
        .filter_map(|c| match c {
            '-' => Some('+'),
            '_' => Some('/'),
            '+' | '/' => Some(c),
            c => c.is_ascii_alphanumeric().then_some(c),
        })
        .collect();
    BASE64.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: &str = concat!(
        "pvbGkU1GjVxNDsF4wM3af9URIB_IYkp7jlHNFQxvPbxhnv7JiVYOre8qP2-nw1welMC1JGQYesTwtJR3aT5874Sq5Lqc5s2PxAW-",
        "ikNoWDRy5W4puEl3aAkuI32gn1ZRZNxLNWG7zQtmhFGBSGpD7iWXxZiibEgt_gQECN1jCljwptzT9-L6M0q8_bksy80yyvWIVOuQb",
        "pvZDwwJScYb5zrj2g5AJ-Kx8EWWw_iqHarqcKVULPFN7X-H6XccyCggGFjMyf3WdTyumxbK5BKOw3EPnQ5yQLBithchxbeQQeXyp4",
        "ve2nZRpHp1tYVbvNjmweTEv5XZ6LdLadABXl5fJQ"
    );

    fn rsa(members: &str) -> String {
        format!("{{\"kty\":\"RSA\",\"n\":\"{N}\",\"e\":\"AQAB\"{members}}}")
    }

    fn set(jwks: &[String]) -> Result<JwkSet, JwkSetError> {
        JwkSet::parse(format!("{{\"keys\":[{}]}}", jwks.join(",")).as_bytes(), Algorithm::Rs256)
    }

    /// Whether the set has the key `a`, and whether that key verifies RS256.
    fn finds(members: &str) -> Option<bool> {
        // A second key, so that the set is never without one.
        let set = set(&[rsa(members), rsa(",\"kid\":\"z\"")]).unwrap();
        set.find("a").map(|key| matches!(key, JwkKey::Verifies(_)))
    }

    #[test]
    fn a_signing_key_is_found_by_its_kid() {
        for members in [
            ",\"kid\":\"a\"",
            ",\"kid\":\"a\",\"use\":\"sig\"",
            ",\"kid\":\"a\",\"use\":null",
            ",\"kid\":\"a\",\"alg\":\"PS512\"",
            ",\"kid\":\"a\",\"alg\":\"\"",
        ] {
            assert_eq!(finds(members), Some(true), "{members}");
        }
    }

    #[test]
    fn keys_for_other_uses_and_keys_that_cannot_be_read_are_skipped() {
        for members in [
            "",
            ",\"kid\":\"\"",
            ",\"kid\":null",
            ",\"kid\":1",
            ",\"kid\":\"a\",\"use\":\"enc\"",
            ",\"kid\":\"a\",\"use\":\"\"",
            ",\"kid\":\"a\",\"alg\":\"RSA-OAEP\"",
            ",\"kid\":\"a\",\"alg\":\"ES256\"",
            ",\"kid\":\"a\",\"alg\":1",
            ",\"kid\":\"a\",\"kty\":\"\"",
            ",\"kid\":\"a\",\"kty\":\"XX\"",
            ",\"kid\":\"a\",\"e\":\"\"",
            ",\"kid\":\"a\",\"e\":\"AQ\"",
            ",\"kid\":\"a\",\"n\":1",
        ] {
            assert_eq!(finds(members), None, "{members}");
        }
    }

    #[test]
    fn a_key_of_another_kind_is_found_but_does_not_verify() {
        assert_eq!(finds(",\"kid\":\"a\",\"d\":\"AQ\""), Some(false));
        assert_eq!(finds(",\"kid\":\"a\",\"kty\":\"oct\",\"k\":\"AQ\""), Some(false));
        assert_eq!(finds(",\"kid\":\"a\",\"kty\":\"oct\",\"k\":\"\""), None);
    }

    #[test]
    fn the_first_of_two_keys_with_one_name_counts() {
        let set = set(&[rsa(",\"kid\":\"a\",\"d\":\"AQ\""), rsa(",\"kid\":\"a\"")]).unwrap();
        assert!(matches!(set.find("a"), Some(JwkKey::OfNoUse)));
    }

    #[test]
    fn documents_without_usable_keys_are_errors() {
        for (document, error) in [
            ("", JwkSetError::NotAnObject),
            ("[]", JwkSetError::NotAnObject),
            ("{}", JwkSetError::NoKeys),
            ("{\"keys\":[]}", JwkSetError::NoKeys),
            ("{\"keys\":{}}", JwkSetError::NoKeys),
            ("{\"keys\":[1,{\"kty\":\"XX\"}]}", JwkSetError::NoKeys),
        ] {
            assert_eq!(JwkSet::parse(document.as_bytes(), Algorithm::Rs256).unwrap_err(), error, "{document}");
        }
        assert!(set(&[rsa("")]).unwrap().is_empty());
    }

    #[test]
    fn base64url_is_read_as_loosely_as_in_python() {
        assert_eq!(base64url("A Q\nA!B=xyz").as_deref(), Some(&[1, 0, 1][..]));
        assert_eq!(base64url("AR").as_deref(), Some(&[1][..]));
        assert_eq!(base64url("A"), None);
    }
}
