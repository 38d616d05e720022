//! The HTTP side: the ticket view as Django's middleware and Django REST framework would answer it.

mod options;

pub(crate) use options::{
    AuthenticationClass, CorsOptions, HttpOptions, LanguageOptions, Middleware, Renderer, SecurityOptions, Throttle,
    ThrottleScope, TicketView,
};
