//! `AsgiValidateTokenView` (django-channels-jwt 0.0.3, views.py) as DRF dispatches it (djangorestframework 3.18.3,
//! views.py, `APIView.dispatch`).

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};

use super::{
    answer::Answer,
    authentication::Authenticated,
    language::Words,
    metadata::metadata,
    middleware::Context,
    negotiation::{NotNegotiated, select_renderer},
    options::{AuthenticationClass, Renderer, TicketView},
    pages::error_page,
    rejection::{Rejection, Reply},
    request::DjangoRequest,
    state::HttpState,
};
use crate::{
    access_token::Refusal,
    admission::{NotLetIn, RetryAfter},
    causes::with_causes,
    python::{
        Value,
        json::{JsonStyle, dumps_with},
    },
    reason::Reason,
    ticket::{TICKET_LIFETIME, Ticket, TicketStoreError},
};

impl HttpState {
    /// The view's answer, before the middleware adds to it.
    pub(super) async fn answer_view(
        &self,
        view: &TicketView,
        request: &DjangoRequest,
        context: &mut Context,
        now: SystemTime,
    ) -> Answer {
        let mut indent = None;
        let outcome = match select_renderer(request, view) {
            Ok(accepted) => {
                indent = accepted.indent;
                self.dispatch(view, request, context, now).await
            }
            Err(NotNegotiated::UnknownFormat) => Err(Rejection::UnknownFormat),
            Err(NotNegotiated::NotAcceptable) => Err(Rejection::NotAcceptable),
            Err(NotNegotiated::TooManyFields) => Err(Rejection::TooManyFields),
        };
        let (status, data, extra) = match outcome {
            Ok(data) => (StatusCode::OK, data, None),
            Err(rejection) => {
                self.refused(&rejection, request);
                let words = Words::of(&context.language, &self.options.language);
                match rejection.reply(words, view.challenge()) {
                    Reply::Page(status) => return error_page(status, &self.options.error_pages),
                    Reply::Json { status, data, header } => (status, data, header),
                }
            }
        };
        let style = JsonStyle::drf(view.compact_json, view.unicode_json, indent);
        let Ok(body) = dumps_with(&data, style) else {
            return error_page(StatusCode::INTERNAL_SERVER_ERROR, &self.options.error_pages);
        };
        let mut answer = Answer { status, headers: HeaderMap::with_capacity(12), body: body.into() };
        answer.set(header::CONTENT_TYPE, Renderer::Json.media_type());
        if let Some((name, value)) = extra {
            answer.set(name, &value);
        }
        if view.renderers.len() > 1 {
            answer.vary_on("Accept");
        }
        answer.set(header::ALLOW, &view.allowed_methods);
        answer
    }

    /// Says that there is no ticket, and why: once, here.
    fn refused(&self, rejection: &Rejection, request: &DjangoRequest) {
        let (reason, address) = (rejection.code(), request.client);
        self.metrics.tickets.refused(reason);
        let trace_id = request.trace.map(tracing::field::display);
        if let Some(error) = rejection.error() {
            tracing::error!(reason, error, client.address = %address, trace_id, "no ticket");
        } else {
            tracing::info!(reason, client.address = %address, trace_id, "no ticket");
        }
    }

    /// Matches `APIView.initial` and the choice of the handler: who asks is checked before how. Nothing is done before it
    /// is the request's turn.
    async fn dispatch(
        &self,
        view: &TicketView,
        request: &DjangoRequest,
        context: &mut Context,
        now: SystemTime,
    ) -> Result<Value, Rejection> {
        let _permit = self.gate.enter(request.client).await.map_err(|refused| {
            let retry_after = match refused {
                NotLetIn::Overloaded => RetryAfter::once_over(self.gate.drained_in()),
                NotLetIn::Draining => RetryAfter::usual(),
            };
            Rejection::NotLetIn { reason: refused.into(), retry_after }
        })?;
        let user = self.authenticate(view, request, context, now).await?;
        self.check_throttles(view, &user, now).await?;
        let allowed = view.allowed_methods.split(',').any(|method| method.trim() == request.method);
        match request.method.as_str() {
            "GET" | "HEAD" if allowed => self.issue_ticket(&user).await,
            "OPTIONS" if allowed => Ok(metadata(view)),
            method => Err(Rejection::MethodNotAllowed(method.to_owned())),
        }
    }

    /// Matches `AsgiValidateTokenView.get`.
    async fn issue_ticket(&self, user: &Authenticated) -> Result<Value, Rejection> {
        let ticket = Ticket::new();
        let issued = match user.companion() {
            None => self.tickets.issue(ticket, user.id(), TICKET_LIFETIME).await,
            Some(companion) => self.tickets.issue_with(ticket, user.id(), &companion, TICKET_LIFETIME).await,
        };
        match issued {
            Ok(()) => {
                self.metrics.tickets.issued();
                Ok(Value::Dict(vec![("uuid".to_owned(), Value::Str(ticket.expose()))]))
            }
            Err(error @ TicketStoreError::Unavailable(_)) => {
                Err(Rejection::Unavailable { reason: Reason::UnavailableCache, error: with_causes(&error) })
            }
            // Django answers 500.
            Err(error @ TicketStoreError::Unstorable { .. }) => {
                tracing::error!(%error, "no ticket: the cache cannot hold the user's id");
                Err(Refusal::NoUserIdentification.into())
            }
        }
    }
}

impl TicketView {
    /// What the first authentication class puts into `WWW-Authenticate`. Matches `get_authenticate_header`.
    fn challenge(&self) -> Option<&str> {
        match self.authentication.first()? {
            AuthenticationClass::Jwt { challenge }
            | AuthenticationClass::JwtStateless { challenge }
            | AuthenticationClass::Other { challenge, .. } => challenge.as_deref(),
        }
    }
}
