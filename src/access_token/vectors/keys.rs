//! Which forms of a key PyJWT verifies with, and which make it raise (`tests/vectors/keys-forms.json`).

use std::collections::BTreeSet;

use super::read;
use crate::{
    access_token::{
        Algorithm, KeyError,
        keys::VerifyingKey,
        unverified::{Signature, Unverified},
    },
    secret::Secret,
};

/// Whether `key` takes the signature of `token`, over what it signs and over nothing else.
fn verifies(key: &VerifyingKey, token: &str) -> bool {
    let token = Unverified::parse(token.as_bytes()).unwrap();
    let nothing = Signature { text: "", bytes: Vec::new() };
    assert!(!key.verify(b"another text", &token.signature));
    assert!(!key.verify(token.signing_input, &nothing));
    key.verify(token.signing_input, &token.signature)
}

#[test]
fn verifying_keys_are_read_in_every_form_that_pyjwt_reads() {
    // Where PyJWT verifies and we stop the start: aws-lc has no such parameters.
    let mut only_pyjwt = BTreeSet::from(["RS384 rsa1024 spki", "PS256 rsa1024 spki"]);
    // Where PyJWT raises and we verify: a private key before the public one.
    let mut only_ours = BTreeSet::from(["layout: ed private then public"]);
    for case in read("keys-forms")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let algorithm = Algorithm::from_name(case["algorithm"].as_str().unwrap()).unwrap();
        let key = VerifyingKey::from_text(&Secret::new(case["verifying_key"].as_str().unwrap()), algorithm);
        if only_pyjwt.remove(name) {
            assert!(matches!(key, Err(KeyError::RsaSize { bits: 1024, .. })), "{name}: {key:?}");
            continue;
        }
        let expected = case["pyjwt"] == "verifies" || only_ours.remove(name);
        assert_eq!(key.is_ok(), expected, "{name}: {key:?}");
        let Ok(key) = key else { continue };
        for token in case["tokens"].as_array().unwrap() {
            let token = token.as_str().unwrap();
            assert!(verifies(&key, token), "{name}");
        }
    }
    assert!(only_pyjwt.is_empty() && only_ours.is_empty(), "no such cases: {only_pyjwt:?} {only_ours:?}");
}

#[test]
fn secrets_are_refused_where_pyjwt_takes_them_for_another_key() {
    for case in read("keys-forms")["secrets"].as_array().unwrap() {
        let secret = case["secret"].as_str().unwrap();
        let key = VerifyingKey::from_secret(&Secret::new(secret), Algorithm::Hs256);
        assert_eq!(key.is_ok(), case["pyjwt"] == "verifies", "{secret}");
        if let (Ok(key), Some(token)) = (key, case["token"].as_str()) {
            assert!(verifies(&key, token), "{secret}");
        }
    }
}

#[test]
fn the_message_names_the_setting_and_the_remedy() {
    let message =
        |text: &str, algorithm| VerifyingKey::from_text(&Secret::new(text), algorithm).unwrap_err().to_string();
    assert_eq!(message("", Algorithm::Rs256), "RS256 needs SIMPLE_JWT's VERIFYING_KEY, which is empty");
    let vectors = read("keys-forms");
    let text_of = |name: &str| {
        let case = vectors["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
        case["verifying_key"].as_str().unwrap().to_owned()
    };
    assert!(message(&text_of("RS256 rsa certificate"), Algorithm::Rs256).contains("openssl x509 -pubkey"));
    assert!(message(&text_of("RS256 rsa pkcs8"), Algorithm::Rs256).contains("openssl pkey -pubout"));
    assert_eq!(message(&text_of("RS256 rsa spki"), Algorithm::Es256), "ES256 does not work with an RSA key");
    assert_eq!(message(&text_of("ES384 p384 spki"), Algorithm::Es256), "ES256 does not work with an EC key on P-384");
}
