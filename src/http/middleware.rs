//! `MIDDLEWARE`: requests pass it in order, answers in reverse (Django 5.2, core/handlers/base.py).

use std::time::SystemTime;

use http::{StatusCode, header};

use super::{
    answer::Answer,
    conditional_get::answer_conditionally,
    gzip::compress,
    host::{DisallowedHost, get_host},
    language::{add_language_headers, default_language, language_of_request},
    options::Middleware,
    pages::error_page,
    request::DjangoRequest,
    security::{add_frame_options, add_security_headers},
    state::HttpState,
};

/// What middleware and view leave for each other on the way.
pub(super) struct Context {
    /// `translation.get_language()`.
    pub(super) language: String,
    /// `request.session.accessed`.
    pub(super) session_accessed: bool,
}

impl HttpState {
    /// Answers as Django would: through the middleware to the view that the path leads to.
    pub(super) async fn respond(&self, request: &DjangoRequest, now: SystemTime) -> Answer {
        let middleware = &self.options.middleware;
        let mut context = Context { language: default_language(&self.options.language), session_accessed: false };
        let mut entered = 0;
        let mut answered = None;
        for &part in middleware {
            match self.process_request(part, request, &mut context) {
                Ok(answer) => {
                    entered += 1;
                    answered = answer;
                }
                // Raised in this part: only those around it see the page.
                Err(DisallowedHost) => {
                    answered = Some(error_page(StatusCode::BAD_REQUEST, &self.options.error_pages));
                }
            }
            if answered.is_some() {
                break;
            }
        }
        let mut answer = match (answered, self.views.find(&request.path)) {
            (Some(answer), _) => answer,
            (None, Some(view)) => self.answer_view(view, request, &mut context, now).await,
            (None, None) => error_page(StatusCode::NOT_FOUND, &self.options.error_pages),
        };
        for &part in middleware[..entered].iter().rev() {
            answer = self.process_response(part, request, answer, &context);
        }
        answer
    }

    fn process_request(
        &self,
        part: Middleware,
        request: &DjangoRequest,
        context: &mut Context,
    ) -> Result<Option<Answer>, DisallowedHost> {
        match part {
            Middleware::Cors => Ok(self.cors.check_preflight(request)),
            Middleware::Security => self.ssl_redirect.process_request(request, &self.options),
            Middleware::Common => get_host(request, &self.options).map(|_| None),
            Middleware::Locale => {
                context.language = language_of_request(request, &self.options.language);
                Ok(None)
            }
            Middleware::Session
            | Middleware::Csrf
            | Middleware::Authentication
            | Middleware::Messages
            | Middleware::XFrameOptions
            | Middleware::GZip
            | Middleware::ConditionalGet
            | Middleware::Transparent => Ok(None),
        }
    }

    fn process_response(
        &self,
        part: Middleware,
        request: &DjangoRequest,
        mut answer: Answer,
        context: &Context,
    ) -> Answer {
        match part {
            Middleware::Cors => self.cors.add_response_headers(request, &mut answer),
            Middleware::Security => add_security_headers(request, &mut answer, &self.options),
            // SessionAuthentication asks `request.user`, which only AuthenticationMiddleware takes from the session.
            Middleware::Session if context.session_accessed => {
                if self.options.middleware.contains(&Middleware::Authentication) {
                    answer.vary_on("Cookie");
                }
            }
            Middleware::Common => return self.finish_common(request, answer),
            Middleware::XFrameOptions => add_frame_options(&mut answer, &self.options),
            Middleware::Locale => add_language_headers(&mut answer, &context.language),
            Middleware::GZip => compress(request, &mut answer),
            Middleware::ConditionalGet => return answer_conditionally(request, answer),
            Middleware::Session
            | Middleware::Csrf
            | Middleware::Authentication
            | Middleware::Messages
            | Middleware::Transparent => {}
        }
        answer
    }

    /// Matches `CommonMiddleware.process_response`: the redirect in place of a 404, or `Content-Length`.
    fn finish_common(&self, request: &DjangoRequest, mut answer: Answer) -> Answer {
        if answer.status == StatusCode::NOT_FOUND
            && self.options.append_slash
            && let Some(redirect) = self.views.redirect_with_slash(request)
        {
            return redirect;
        }
        let length = answer.body.len().to_string();
        answer.set_default(header::CONTENT_LENGTH, &length);
        answer
    }
}
