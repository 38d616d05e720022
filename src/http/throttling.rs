//! DRF's throttles (djangorestframework 3.18.3, throttling.py; views.py, `check_throttles`).

use std::time::SystemTime;

use super::{
    authentication::Authenticated,
    options::{ThrottleScope, TicketView},
    rejection::Rejection,
    state::HttpState,
};
use crate::{access_token::Refusal, causes::with_causes, python, reason::Reason};

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
                    return Err(Rejection::Unavailable {
                        reason: Reason::UnavailableCache,
                        error: with_causes(&error),
                    });
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
