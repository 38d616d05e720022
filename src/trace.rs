//! Which request a line of the log belongs to: W3C Trace Context, `traceparent`.
//!
//! A client's own id is taken over where it is well-formed, and one is made where it is not. It goes on to Django, so
//! that its logs and traces and ours are found by one id. It proves nothing, and nothing is decided by it.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// `traceparent`.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`: only understood together with the `traceparent` that it came with.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's place in a trace. `Display` is the trace's id, as logs have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: u128,
    parent: u64,
    flags: u8,
    /// Nobody sent it.
    is_made: bool,
}

impl Trace {
    /// The one that `headers` name, or a new one. A new one is sampled: Django's part of it is recorded as it would be
    /// without us where its sampler is OpenTelemetry's default.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut named = headers.get_all(&TRACEPARENT).iter();
        let first = named.next().filter(|_| named.next().is_none());
        first.and_then(|value| Self::parse(value.to_str().ok()?)).unwrap_or_else(Self::new)
    }

    fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        let id = u128::from(random()) << 64 | u128::from(random().max(1));
        Self { id, parent: random().max(1), flags: 1, is_made: true }
    }

    /// Matches the W3C's recommendation of 2021, 3.2.2: of a later version what the first one has.
    fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(55)?;
        let mut parts = known.split('-');
        let version = hexadecimal(parts.next()?, 2)?;
        let (id, parent) = (hexadecimal(parts.next()?, 32)?, hexadecimal(parts.next()?, 16)?);
        let flags = hexadecimal(parts.next()?, 2)?;
        let is_whole = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
        let is_valid = is_whole && version != 0xff && id != 0 && parent != 0;
        let (parent, flags) = (u64::try_from(parent).ok()?, u8::try_from(flags).ok()?);
        is_valid.then_some(Self { id, parent, flags, is_made: false })
    }

    /// Puts the trace into the headers of a request that is sent on.
    pub(crate) fn pass_on(&self, headers: &mut HeaderMap) {
        if self.is_made {
            headers.remove(&TRACESTATE);
        }
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.id, self.parent, self.flags);
        // Hexadecimal digits are a header's value.
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.id)
    }
}

/// `digits` as a number: so many of them, in lower case.
fn hexadecimal(digits: &str, count: usize) -> Option<u128> {
    let is_lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() == count && is_lower { u128::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, value.parse().unwrap());
        }
        headers.insert(TRACESTATE, "vendor=1".parse().unwrap());
        headers
    }

    #[test]
    fn a_clients_trace_goes_on_as_it_came() {
        for (sent, passed) in
            [(SENT, SENT.to_owned()), (&format!("{}-x", SENT.replacen("00", "cc", 1)), SENT.to_owned())]
        {
            let mut headers = headers(&[sent]);
            let trace = Trace::of(&headers);
            assert_eq!(trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
            trace.pass_on(&mut headers);
            assert_eq!(headers[TRACEPARENT], passed, "{sent}");
            assert_eq!(headers[TRACESTATE], "vendor=1");
        }
    }

    #[test]
    fn what_is_no_trace_is_replaced_with_a_new_one() {
        let zero = "0".repeat(32);
        let none = SENT.replace("0af7651916cd43dd8448eb211c80319c", &zero);
        let upper = SENT.to_uppercase();
        let orphan = SENT.replace("b7ad6b7169203331", &zero[..16]);
        let later = SENT.replacen("00", "ff", 1);
        let longer = format!("{SENT}-x");
        let bad = [&none, &upper, &orphan, &later, &longer, "", "00", &SENT[..54], "00-a\u{7f}"];
        let several = [vec![SENT, SENT], vec![]].into_iter();
        for values in bad
            .into_iter()
            .filter(|value| value.is_ascii() && !value.contains('\u{7f}'))
            .map(|value| vec![value])
            .chain(several)
        {
            let mut headers = headers(&values);
            let trace = Trace::of(&headers);
            assert!(trace.is_made && trace.id != 0, "{values:?}");
            trace.pass_on(&mut headers);
            assert_eq!(Trace::of(&headers).to_string(), trace.to_string(), "it is well-formed");
            assert!(!headers.contains_key(TRACESTATE));
        }
        assert_ne!(Trace::new().id, Trace::new().id);
    }
}
