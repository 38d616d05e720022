//! The claims of a token whose signature is good, and every check of them.

use std::{fmt, time::SystemTime};

use num_bigint::Sign;

use super::{AccessTokenOptions, Message, OneOrMany, Step, TokenClass, Watch};
use crate::python::{self, Value, json};

/// The payload of a token. `Debug` does not show it.
#[derive(Clone, PartialEq)]
pub(crate) struct Claims(Value);

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(***)")
    }
}

/// 9999-12-31T23:59:59, the last second that Python's `datetime` holds.
const LAST_SECOND: i64 = 253_402_300_799;

impl Claims {
    /// The payload, if it is a JSON object. Matches PyJWT 2.15.1, `api_jwt.py`, `_decode_payload`.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        json::loads(payload).ok().filter(|value| matches!(value, Value::Dict(_))).map(Self)
    }

    /// The claim `name`; a claim that is null is there.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// What PyJWT checks, in its order. Matches PyJWT, `api_jwt.py`, `_validate_claims`.
    pub(super) fn validate(
        &self,
        options: &AccessTokenOptions,
        now: SystemTime,
        watch: &mut impl Watch,
    ) -> Result<(), Message> {
        let now = microseconds(now);
        let leeway = i128::try_from(options.leeway.as_micros()).unwrap_or(i128::MAX / 2);
        for name in ["iat", "nbf"] {
            if let Some(claim) = self.get(name) {
                let good = whole_seconds(claim).is_ok_and(|second| second <= (now + leeway).div_euclid(1_000_000));
                watch.saw(Step::Time { name, claim, good });
                if !good {
                    return Err(Message::Invalid);
                }
            }
        }
        if let Some(claim) = self.get("exp") {
            let expires = whole_seconds(claim);
            let good = expires.is_ok_and(|second| second > (now - leeway).div_euclid(1_000_000));
            watch.saw(Step::Time { name: "exp", claim, good });
            expires?;
            if !good {
                return Err(Message::Expired);
            }
        }
        let mut compare = |name, good| {
            watch.saw(Step::Compared { name, good });
            if good { Ok(()) } else { Err(Message::Invalid) }
        };
        compare("iss", self.has_issuer(options))?;
        compare("aud", self.has_audience(options))?;
        let mut texts = ["sub", "jti"].into_iter().filter_map(|name| self.get(name));
        compare("sub, jti", texts.all(Value::is_str))
    }

    fn has_issuer(&self, options: &AccessTokenOptions) -> bool {
        let Some(issuer) = &options.issuer else { return true };
        let Some(Value::Str(claim)) = self.get("iss") else { return false };
        issuer.contains(claim)
    }

    fn has_audience(&self, options: &AccessTokenOptions) -> bool {
        let Some(audience) = &options.audience else { return true };
        match self.get("aud") {
            Some(Value::Str(claim)) => !claim.is_empty() && audience.contains(claim),
            Some(Value::List(claims)) => {
                claims.iter().all(Value::is_str)
                    && claims.iter().filter_map(Value::as_str).any(|claim| audience.contains(claim))
            }
            _ => false,
        }
    }

    /// What SimpleJWT's token class checks, the blacklist aside. Matches SimpleJWT 5.5.1, tokens.py, `Token.verify`.
    pub(super) fn verify(&self, options: &AccessTokenOptions, class: &TokenClass) -> Result<(), Message> {
        let exp = self.get("exp").ok_or(Message::NoExp)?;
        // Python uses `exp` as a number once more: a numeric text, or a year that datetime cannot hold, ends in 500
        // there and is an invalid token here.
        #[expect(clippy::cast_precision_loss, reason = "the number is far below 2^53")]
        let representable = match exp {
            Value::Bool(_) => true,
            Value::Int(second) => *second <= LAST_SECOND,
            Value::Float(second) => *second < (LAST_SECOND + 1) as f64,
            _ => false,
        };
        if !representable {
            return Err(Message::Invalid);
        }
        if options.jti_claim.as_ref().is_some_and(|name| self.get(name).is_none()) {
            return Err(Message::NoId);
        }
        let (Some(name), Some(token_type)) = (&options.token_type_claim, &class.token_type) else { return Ok(()) };
        match self.get(name) {
            None => Err(Message::NoType),
            Some(Value::Str(claim)) if claim == token_type => Ok(()),
            Some(_) => Err(Message::WrongType),
        }
    }
}

impl OneOrMany {
    fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(one) => one == text,
            Self::Many(many) => many.iter().any(|one| one == text),
        }
    }
}

/// `int(claim)`; numbers beyond 64 bits as the farthest there is.
fn whole_seconds(claim: &Value) -> Result<i128, Message> {
    match python::int(claim) {
        Ok(Value::Int(second)) => Ok(i128::from(second)),
        Ok(Value::BigInt(number)) if number.sign() == Sign::Minus => Ok(i128::MIN),
        Ok(_) => Ok(i128::MAX),
        Err(_) => Err(Message::Invalid),
    }
}

/// Since 1970, in the resolution of Python's clock.
fn microseconds(time: SystemTime) -> i128 {
    let signed = |duration: std::time::Duration| i128::try_from(duration.as_micros()).unwrap_or(0);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => signed(since),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn validate_at(payload: &str, options: &AccessTokenOptions, now: SystemTime) -> Result<(), Message> {
        Claims::parse(payload.as_bytes()).unwrap().validate(options, now, &mut ())
    }

    fn validate(payload: &str) -> Result<(), Message> {
        validate_at(payload, &AccessTokenOptions::default(), SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn times_are_compared_in_whole_seconds_with_the_clock_in_microseconds() {
        let half_past = SystemTime::UNIX_EPOCH + Duration::from_micros(NOW * 1_000_000 + 500_000);
        let options = AccessTokenOptions::default();
        for (payload, expected) in [
            (format!("{{\"exp\":{}}}", NOW + 1), Ok(())),
            (format!("{{\"exp\":{NOW}}}"), Err(Message::Expired)),
            (format!("{{\"exp\":{NOW}.9}}"), Err(Message::Expired)),
            (format!("{{\"iat\":{NOW}}}"), Ok(())),
            (format!("{{\"iat\":{}}}", NOW + 1), Err(Message::Invalid)),
            (format!("{{\"nbf\":\"{NOW}\"}}"), Ok(())),
            (format!("{{\"nbf\":{}}}", NOW + 1), Err(Message::Invalid)),
        ] {
            assert_eq!(validate_at(&payload, &options, half_past), expected, "{payload}");
        }
        let exact = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        assert_eq!(validate_at(&format!("{{\"exp\":{NOW}}}"), &options, exact), Err(Message::Expired));
    }

    #[test]
    fn leeway_loosens_every_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let options = AccessTokenOptions { leeway: Duration::from_millis(1500), ..AccessTokenOptions::default() };
        let at = |name: &str, second: u64| validate_at(&format!("{{\"{name}\":{second}}}"), &options, now);
        assert_eq!(at("exp", NOW - 1), Ok(()));
        assert_eq!(at("exp", NOW - 2), Err(Message::Expired));
        assert_eq!(at("iat", NOW + 1), Ok(()));
        assert_eq!(at("iat", NOW + 2), Err(Message::Invalid));
    }

    #[test]
    fn whatever_comes_before_exp_in_pyjwts_order_wins() {
        assert_eq!(validate(r#"{"exp":1,"iat":"x"}"#), Err(Message::Invalid));
        assert_eq!(validate(r#"{"exp":1,"nbf":null}"#), Err(Message::Invalid));
        assert_eq!(validate(r#"{"exp":1,"sub":1}"#), Err(Message::Expired));
        assert_eq!(validate(r#"{"exp":1,"jti":1}"#), Err(Message::Expired));
    }

    #[test]
    fn numbers_without_bound_are_compared_too() {
        let huge = "9".repeat(400);
        assert_eq!(validate(&format!("{{\"exp\":{huge}}}")), Ok(()));
        assert_eq!(validate(&format!("{{\"exp\":-{huge}}}")), Err(Message::Expired));
        assert_eq!(validate(&format!("{{\"iat\":{huge}}}")), Err(Message::Invalid));
        assert_eq!(validate("{\"exp\":Infinity}"), Err(Message::Invalid));
        assert_eq!(validate("{\"exp\":NaN}"), Err(Message::Invalid));
        assert_eq!(validate("{\"exp\":1e300}"), Ok(()));
    }

    #[test]
    fn text_with_lone_surrogates_is_text() {
        assert_eq!(validate(r#"{"sub":"\ud800","jti":"\ud800"}"#), Ok(()));
    }

    #[test]
    fn an_issuer_may_be_a_list() {
        let now = SystemTime::UNIX_EPOCH;
        let many = OneOrMany::Many(vec!["a".to_owned(), "b".to_owned()]);
        let options = AccessTokenOptions { issuer: Some(many), ..AccessTokenOptions::default() };
        assert_eq!(validate_at(r#"{"iss":"b"}"#, &options, now), Ok(()));
        for payload in [r#"{"iss":"c"}"#, r#"{"iss":["a"]}"#, r#"{"iss":"\ud800"}"#, "{}"] {
            assert_eq!(validate_at(payload, &options, now), Err(Message::Invalid), "{payload}");
        }
    }

    #[test]
    fn an_audience_of_anything_but_text_is_refused() {
        let now = SystemTime::UNIX_EPOCH;
        let options =
            AccessTokenOptions { audience: Some(OneOrMany::One("a".to_owned())), ..AccessTokenOptions::default() };
        assert_eq!(validate_at(r#"{"aud":["\ud800","a"]}"#, &options, now), Ok(()));
        for payload in [r#"{"aud":["a",1]}"#, r#"{"aud":{"a":1}}"#, r#"{"aud":null}"#, r#"{"aud":[]}"#, r#"{"aud":""}"#]
        {
            assert_eq!(validate_at(payload, &options, now), Err(Message::Invalid), "{payload}");
        }
    }
}
