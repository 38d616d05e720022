//! The HTTP side: the ticket view as Django's middleware and Django REST framework would answer it.

mod answer;
mod conditional_get;
mod cors;
mod gzip;
mod host;
mod language;
mod negotiation;
mod options;
mod pages;
mod paths;
mod pattern;
mod request;
mod security;

pub(crate) use options::{
    AuthenticationClass, CorsOptions, HttpOptions, LanguageOptions, Middleware, Renderer, SecurityOptions, Throttle,
    ThrottleScope, TicketView,
};
pub(crate) use pattern::PatternError;
pub(crate) use request::Peer;
