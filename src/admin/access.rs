//! Who may ask, and who may change something.

use std::{fmt, net::IpAddr, time::Duration};

use aws_lc_rs::{constant_time, digest};
use http::{HeaderMap, header};
use tokio::time::Instant;

use super::{hosts::is_known, options::AdminOptions, wrong_tokens::WrongTokens};

/// What requests to the admin address are allowed by.
pub(crate) struct Access {
    /// Of `[admin] token`. Digests have one length, so that a comparison tells nothing of the token's.
    token: Option<digest::Digest>,
    allowed_hosts: Vec<String>,
    wrong: WrongTokens,
}

/// Why a request may change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is no `[admin] token`.
    ReadOnly,
    /// The request has no token.
    NoToken,
    /// It has another.
    WrongToken,
    /// Its address had another too often: it is to come back after that time.
    TooOften(Duration),
}

impl Access {
    /// By these options.
    pub(crate) fn new(options: &AdminOptions) -> Self {
        let token = options.token.as_ref().map(|token| digest::digest(&digest::SHA256, token.expose().as_bytes()));
        Self { token, allowed_hosts: options.allowed_hosts.clone(), wrong: WrongTokens::default() }
    }

    /// Whether there is a token, so that somebody may change something.
    pub(super) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the request's `Host` is a name that nobody else can point here.
    pub(super) fn knows_host(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| is_known(host, self.allowed_hosts.iter().map(String::as_str)))
    }

    /// Whether the request from `peer` may change something: it has `Authorization: Bearer <token>`.
    ///
    /// # Errors
    ///
    /// [`Denied`] says why not.
    pub(super) fn may_change(&self, headers: &HeaderMap, peer: IpAddr, now: Instant) -> Result<(), Denied> {
        let Some(token) = &self.token else { return Err(Denied::ReadOnly) };
        if let Some(wait) = self.wrong.locked_for(peer, now) {
            return Err(Denied::TooOften(wait));
        }
        let Some(authorization) = headers.get(header::AUTHORIZATION) else { return Err(Denied::NoToken) };
        let given = bearer(authorization.as_bytes()).unwrap_or_default();
        let given = digest::digest(&digest::SHA256, given);
        if constant_time::verify_slices_are_equal(token.as_ref(), given.as_ref()).is_ok() {
            return Ok(());
        }
        self.wrong.add(peer, now);
        tracing::warn!(client.address = %peer, "a wrong token on the admin address");
        Err(Denied::WrongToken)
    }
}

/// The token of `Bearer <token>`.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("allowed_hosts", &self.allowed_hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::secret::Secret;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn access(token: Option<&str>) -> Access {
        let options = AdminOptions { bind: String::new(), token: token.map(Secret::new), allowed_hosts: Vec::new() };
        Access::new(&options)
    }

    fn headers(authorization: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(authorization))])
    }

    #[test]
    fn the_token_alone_lets_change() {
        let access = access(Some("correct horse"));
        let may_change = |headers: &HeaderMap| access.may_change(headers, PEER, Instant::now());
        assert_eq!(may_change(&headers("Bearer correct horse")), Ok(()));
        assert_eq!(may_change(&headers("bearer correct horse ")), Ok(()));
        assert_eq!(may_change(&HeaderMap::new()), Err(Denied::NoToken));
        for wrong in ["Bearer", "Bearer ", "Bearer correct", "Bearer correct horses", "Basic correct horse", ""] {
            assert_eq!(may_change(&headers(wrong)), Err(Denied::WrongToken), "{wrong}");
        }
        assert!(!format!("{access:?}").contains("horse"));
    }

    #[test]
    fn without_a_token_nobody_changes_anything() {
        let denied = access(None).may_change(&headers("Bearer "), PEER, Instant::now());
        assert_eq!(denied, Err(Denied::ReadOnly));
    }

    #[test]
    fn who_was_wrong_too_often_is_not_listened_to_even_when_right() {
        let access = access(Some("right"));
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(access.may_change(&headers("Bearer wrong"), PEER, now), Err(Denied::WrongToken));
        }
        let denied = access.may_change(&headers("Bearer right"), PEER, now);
        assert_eq!(denied, Err(Denied::TooOften(Duration::from_mins(1))));
        assert_eq!(access.may_change(&headers("Bearer right"), IpAddr::from([10, 0, 0, 1]), now), Ok(()));
    }
}
