//! DRF's throttles (djangorestframework 3.18.3, throttling.py; views.py, `check_throttles`).

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use super::{
    authentication::Authenticated,
    options::{ThrottleScope, TicketView},
    rejection::Rejection,
    state::HttpState,
};
use crate::{access_token::Refusal, python, reason::Reason};

/// Where requests are counted.
#[async_trait]
pub(crate) trait ThrottleStore: Send + Sync {
    /// Counts a request under `key` at the time `now`, unless there were `requests` of them in the last `period`.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    async fn allow(
        &self,
        key: &str,
        requests: u64,
        period: Duration,
        now: SystemTime,
    ) -> Result<Decision, Box<dyn Error + Send + Sync>>;
}

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    /// `SimpleRateThrottle.wait()` of a refused request.
    pub(crate) wait_seconds: Option<f64>,
}

impl HttpState {
    /// Counts the request with every throttle of the view, and refuses it if one is exhausted.
    ///
    /// Who comes this far is authenticated: `AnonRateThrottle` lets every such request through, and the others count by
    /// the user's id, never by address.
    pub(super) async fn check_throttles(
        &self,
        view: &TicketView,
        user: &Authenticated,
        now: SystemTime,
    ) -> Result<(), Rejection> {
        let mut refused = false;
        let mut longest: Option<f64> = None;
        for throttle in view.throttles.iter().filter(|throttle| throttle.kind != ThrottleScope::Anon) {
            let ident = python::str(user.id()).ok_or(Refusal::NoUserIdentification)?;
            let key = format!("throttle_{}_{ident}", throttle.scope);
            let decision = match self.throttles.allow(&key, throttle.requests, throttle.period, now).await {
                Ok(decision) => decision,
                Err(error) => {
                    tracing::error!(%error, "no ticket: the request could not be counted");
                    return Err(Rejection::Unavailable(Reason::UnavailableCache));
                }
            };
            if !decision.allowed {
                refused = true;
                longest = decision.wait_seconds.into_iter().chain(longest).reduce(f64::max);
            }
        }
        if refused { Err(Rejection::Throttled { wait: longest }) } else { Ok(()) }
    }
}
