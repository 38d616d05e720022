//! The HTTP side: the ticket view as Django's middleware and Django REST framework would answer it.

mod answer;
mod authentication;
mod conditional_get;
mod cors;
mod gzip;
mod health;
mod host;
mod http_date;
mod language;
mod metadata;
mod middleware;
mod negotiation;
mod options;
mod pages;
mod pass;
mod paths;
mod pattern;
mod rejection;
mod request;
mod router;
mod security;
mod state;
#[cfg(test)]
mod tests;
mod throttling;
mod ticket_view;
#[cfg(test)]
mod vectors;

pub(crate) use health::{Draining, Health};
pub(crate) use options::{
    AuthenticationClass, CorsOptions, HttpOptions, LanguageOptions, Middleware, Renderer, SecurityOptions, Throttle,
    ThrottleScope, TicketView,
};
pub(crate) use pattern::{Pattern, PatternError};
pub(crate) use router::router;
pub(crate) use state::{HttpParts, HttpState};
