//! Who asks for a ticket: the view's authentication classes, in order (djangorestframework 3.18.3, request.py,
//! `Request._authenticate`; djangorestframework-simplejwt 5.5.1, authentication.py).

use std::time::SystemTime;

use super::{
    middleware::Context,
    options::{AuthenticationClass, TicketView},
    rejection::Rejection,
    request::DjangoRequest,
    state::HttpState,
};
use crate::{
    access_token::{Claims, Refusal, TokenError},
    causes::with_causes,
    python::{self, Value},
    reason::Reason,
    ticket::Companion,
    user::UserStoreError,
};

/// A user whose token was checked: `request.user`, as far as a ticket needs it.
#[derive(Debug)]
pub(super) struct Authenticated {
    /// `request.user.id`: a key of the user table or, without a lookup, the claim as it is.
    id: Value,
    /// What of the token is kept beside the ticket.
    companion: Companion,
}

impl Authenticated {
    /// What the ticket stores, and throttles count by.
    pub(super) const fn id(&self) -> &Value {
        &self.id
    }

    /// What is stored beside the ticket; `None` where nothing needs it.
    pub(super) fn companion(&self) -> Option<String> {
        self.companion.to_json()
    }
}

impl HttpState {
    /// The first class that finds a token of its kind decides.
    pub(super) async fn authenticate(
        &self,
        view: &TicketView,
        request: &DjangoRequest,
        context: &mut Context,
        now: SystemTime,
    ) -> Result<Authenticated, Rejection> {
        let header = self.auth_header.as_ref().and_then(|name| request.header_bytes(name));
        for class in &view.authentication {
            let looks_up = match class {
                AuthenticationClass::Jwt { .. } => true,
                AuthenticationClass::JwtStateless { .. } => false,
                AuthenticationClass::Other { touches_session, .. } => {
                    context.session_accessed |= touches_session;
                    continue;
                }
            };
            let Some(raw) = self.verifier.raw_token(header.as_deref())? else { continue };
            let claims = self.verifier.verify(raw, now, &*self.users).await?;
            return if looks_up { self.get_user(&claims).await } else { self.stateless_user(&claims) };
        }
        Err(if view.authentication.is_empty() { Rejection::PermissionDenied } else { Rejection::NotAuthenticated })
    }

    /// Matches `JWTAuthentication.get_user`.
    async fn get_user(&self, claims: &Claims) -> Result<Authenticated, Rejection> {
        // Django answers 500 to a claim that cannot be converted: here it is no user's.
        let user = match self.users.by_claim(self.verifier.user_id(claims)?).await {
            Ok(Some(user)) => user,
            Ok(None) | Err(UserStoreError::Unconvertible) => return Err(Refusal::UserNotFound.into()),
            Err(error) => return Err(rejected_by_database(&error)),
        };
        self.verifier.check_user(claims, &user)?;
        Ok(Authenticated { id: Value::from(&user.id), companion: self.companion(claims) })
    }

    /// Matches `JWTStatelessUserAuthentication.get_user`: any value is somebody, null too.
    fn stateless_user(&self, claims: &Claims) -> Result<Authenticated, Rejection> {
        Ok(Authenticated { id: self.verifier.user_id(claims)?.clone(), companion: self.companion(claims) })
    }

    /// The claims that matter once the socket is open.
    fn companion(&self, claims: &Claims) -> Companion {
        let (needs, options) = (self.needs, self.verifier.options());
        let text = |name: &str| claims.get(name).and_then(python::str);
        Companion {
            exp: claims.get("exp").filter(|_| needs.exp).and_then(|exp| match python::int(exp) {
                Ok(Value::Int(second)) => Some(second),
                _ => None,
            }),
            jti: options.jti_claim.as_deref().filter(|_| needs.jti).and_then(text),
            password: Some(options.revoke_token_claim.as_str()).filter(|_| needs.password).and_then(text),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(refusal) => Self::Refused(refusal),
            TokenError::KeysUnavailable => Self::KeysUnavailable { error: error.to_string() },
            TokenError::BlacklistUnavailable(error) => rejected_by_database(&error),
        }
    }
}

/// The client is told which part did not answer.
fn rejected_by_database(error: &UserStoreError) -> Rejection {
    let text = with_causes(error);
    match error {
        UserStoreError::Unavailable(_) => Rejection::Unavailable { reason: Reason::UnavailableDatabase, error: text },
        UserStoreError::Unconvertible | UserStoreError::MultipleRows => Rejection::ServerError { error: text },
    }
}
