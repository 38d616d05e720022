//! `JWK_URL` (`tests/vectors/http-jwk-url.json`), in the vectors' order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value as Json;

use super::{INVALID, Rows, authenticate, options, read};
use crate::access_token::{
    Verifier,
    jwks::Jwks,
    jwks_fetch::{FetchError, JwksSource},
};

/// The endpoint of a vector; counts how often it is asked.
#[derive(Default)]
struct Endpoint {
    answer: Mutex<Json>,
    fetches: Mutex<u64>,
}

#[async_trait]
impl JwksSource for Arc<Endpoint> {
    async fn fetch(&self) -> Result<Bytes, FetchError> {
        *self.fetches.lock().unwrap() += 1;
        let answer = self.answer.lock().unwrap().clone();
        if answer.is_null() || answer["delay_seconds"].as_u64().is_some() {
            return Err(FetchError::Timeout);
        }
        let status = answer["status"].as_u64().unwrap();
        if status != 200 {
            return Err(FetchError::Status(u16::try_from(status).unwrap()));
        }
        Ok(answer["text"].as_str().map_or_else(|| answer["json"].to_string(), str::to_owned).into())
    }
}

/// The cases before which the server was started again.
const STARTS: [&str; 14] = [
    "kid k1",
    "again",
    "cold, mode notjson",
    "cold, mode empty",
    "no kid in jwks, single key",
    "use absent",
    "alg RS512 in jwk, RS256 token",
    "unknown kty plus good / token without kid",
    "not a set: bare list / token without kid",
    "kid null in jwk / token without kid",
    "connection refused",
    "HS256 with JWK_URL: ignored",
    "JWK_URL wins over VERIFYING_KEY",
    "cooldown: first fetch",
];

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_and_kept_as_pyjwt_does() {
    // Status, body, fetches.
    let mut differences: BTreeMap<&str, (u64, &str, u64)> = BTreeMap::from([
        // Where no keys can be had Django says that the token is invalid, or 500; nobody can know, so: 503.
        ("again", (503, "", 1)),
        ("cold, mode notjson", (503, "", 1)),
        ("again (2)", (503, "", 1)),
        ("cold, mode empty", (503, "", 1)),
        ("again (3)", (503, "", 1)),
        ("connection refused", (503, "", 1)),
        ("slow jwks 35s (timeout?)", (503, "", 1)),
        // The key of another type than the algorithm's: an invalid token, not 500.
        ("kid of EC key with RS256 alg", (401, INVALID, 0)),
        // A token without kid can match no key, so that nothing is fetched for it.
        ("not a set: bare list / token without kid", (401, INVALID, 0)),
    ]);
    let vectors = read("http-jwk-url");
    let endpoint = Arc::new(Endpoint::default());
    let mut verifier = None;
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        *endpoint.answer.lock().unwrap() =
            if name == "connection refused" { Json::Null } else { case["jwks_endpoint"].clone() };
        if STARTS.contains(&name) || name.starts_with("slow") {
            let mut options = options(&case["settings"]);
            if options.algorithm.is_symmetric() {
                verifier = Some(Verifier::new(options).unwrap());
            } else {
                let source = Box::new(Arc::clone(&endpoint));
                let jwks = Jwks::with_source(source, options.algorithm, options.jwks_stale_for);
                options.jwk_url = None;
                verifier = Some(Verifier::with_jwks(options, jwks));
            }
        }
        tokio::time::advance(Duration::from_secs(if name.contains("after 31 s") { 31 } else { 1 })).await;
        let header = format!("Bearer {}", case["token"].as_str().unwrap());
        let answer = authenticate(verifier.as_ref().unwrap(), Some(header.as_bytes()), &Rows::of(case)).await;
        let fetches = std::mem::take(&mut *endpoint.fetches.lock().unwrap());
        let (status, body, expected_fetches) = differences.remove(name).unwrap_or_else(|| {
            let expect = &case["expect"];
            let status = expect["status"].as_u64().unwrap();
            let body = if status == 200 { "" } else { expect["body"].as_str().unwrap() };
            (status, body, case["jwks_fetches_during_request"].as_u64().unwrap())
        });
        assert_eq!(answer, (status, body.to_owned()), "{name}");
        assert_eq!(fetches, expected_fetches, "{name}");
    }
    assert!(differences.is_empty(), "no such cases: {differences:?}");
}
