//! A token taken apart, nothing in it trusted yet.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::python::{Value, json};

/// The three parts of a token, decoded, with a header that PyJWT would take.
///
/// Matches PyJWT 2.15.1, `api_jws.py`, `PyJWS._load` and `_validate_headers`.
pub(super) struct Unverified<'a> {
    /// What is signed: header and payload as they stand in the token.
    pub(super) signing_input: &'a [u8],
    /// `alg`; `None` where it is absent or no text.
    pub(super) alg: Option<String>,
    /// `kid`, always text where it is present.
    pub(super) kid: Option<String>,
    /// The payload's bytes.
    pub(super) payload: Vec<u8>,
    pub(super) signature: Signature<'a>,
}

/// The signature, both ways.
pub(super) struct Signature<'a> {
    /// base64url without padding.
    pub(super) text: &'a str,
    pub(super) bytes: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes `raw` apart; `None` for whatever PyJWT refuses before it looks at the signature.
    pub(super) fn parse(raw: &'a [u8]) -> Option<Self> {
        let last = raw.iter().rposition(|&byte| byte == b'.')?;
        let signing_input = &raw[..last];
        let first = signing_input.iter().position(|&byte| byte == b'.')?;
        let (_, header) = decode_segment(&signing_input[..first])?;
        let header = json::loads(&header).ok()?;
        if !matches!(header, Value::Dict(_)) || !understands_extensions(&header) {
            return None;
        }
        let kid = match header.get("kid") {
            Some(Value::Str(kid)) => Some(kid.clone()),
            // Of type str, but the name of no key: as if there were none.
            None | Some(Value::LoneSurrogates) => None,
            Some(_) => return None,
        };
        let alg = header.get("alg").and_then(Value::as_str).map(str::to_owned);
        let (_, payload) = decode_segment(&signing_input[first + 1..])?;
        let (text, bytes) = decode_segment(&raw[last + 1..])?;
        Some(Self { signing_input, alg, kid, payload, signature: Signature { text, bytes } })
    }
}

/// Whether `crit` names nothing but `b64`, and the payload is base64 as usual (a detached one is never accepted).
fn understands_extensions(header: &Value) -> bool {
    if header.get("b64") == Some(&Value::Bool(false)) {
        return false;
    }
    match header.get("crit") {
        None => true,
        Some(Value::List(names)) if !names.is_empty() => {
            names.iter().all(|name| name.as_str() == Some("b64") && header.get("b64").is_some())
        }
        Some(_) => false,
    }
}

/// Canonical base64url. Padding may stand if it is the right amount.
/// Matches PyJWT, `api_jws.py`, `_decode_base64url_segment`.
fn decode_segment(segment: &[u8]) -> Option<(&str, Vec<u8>)> {
    let padding = segment.iter().rev().take_while(|&&byte| byte == b'=').count();
    if padding > 2 || (padding > 0 && !segment.len().is_multiple_of(4)) {
        return None;
    }
    let text = std::str::from_utf8(&segment[..segment.len() - padding]).ok()?;
    // The engine refuses characters outside the alphabet and unused bits that are not zero.
    URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| (text, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str) -> Vec<u8> {
        format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header)).into_bytes()
    }

    fn parses(header: &str) -> bool {
        Unverified::parse(&token(header)).is_some()
    }

    #[test]
    fn base64url_must_be_canonical_and_padding_of_the_right_amount() {
        for (segment, bytes) in [("", &b""[..]), ("QQ", b"A"), ("QQ==", b"A"), ("QUI=", b"AB"), ("_-8", b"\xff\xef")] {
            assert_eq!(decode_segment(segment.as_bytes()).unwrap().1, bytes, "{segment}");
        }
        for segment in ["Q", "QQ=", "QQ===", "QUJD====", "QR", "+/8", "Q Q", "QQ\n", "Q=Q=", "=", "====", "é"] {
            assert!(decode_segment(segment.as_bytes()).is_none(), "{segment}");
        }
    }

    #[test]
    fn the_last_dot_ends_the_payload_and_the_first_the_header() {
        assert!(Unverified::parse(b"e30.e30.").is_some());
        for raw in [&b""[..], b".", b"..", b"e30.e30", b"e30.a.b.c2ln", b"e30.e30.c2ln.", b".e30.e30"] {
            assert!(Unverified::parse(raw).is_none());
        }
    }

    #[test]
    fn the_header_is_an_object_whose_kid_is_text() {
        assert!(parses("{}"));
        assert!(parses(" {\"kid\" : \"a\", \"typ\": 1} "));
        for header in ["[]", "1", "x", "", "{\"kid\":1}", "{\"kid\":null}"] {
            assert!(!parses(header), "{header}");
        }
    }

    #[test]
    fn critical_extensions_must_be_understood() {
        assert!(parses(r#"{"crit":["b64"],"b64":true}"#));
        assert!(parses(r#"{"b64":0}"#));
        for header in [
            r#"{"crit":["b64"]}"#,
            r#"{"crit":[]}"#,
            r#"{"crit":"b64","b64":true}"#,
            r#"{"crit":null}"#,
            r#"{"crit":["b64","exp"],"b64":true}"#,
            r#"{"crit":[1]}"#,
            r#"{"crit":["b64"],"b64":false}"#,
            r#"{"b64":false}"#,
        ] {
            assert!(!parses(header), "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(raw in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Unverified::parse(&raw);
        }

        #[test]
        fn what_base64_writes_is_read(bytes: Vec<u8>) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(decode_segment(text.as_bytes()).unwrap().1, bytes);
        }
    }
}
