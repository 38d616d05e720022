//! Query strings, and the ticket in them.

use http::Uri;
use url::form_urlencoded;

use crate::{
    python::{self, Value},
    ticket::Ticket,
    websocket::scope::{Scope, TicketParameter},
};

/// `data` as a query string, and as a handshake's whole target.
///
/// # Panics
///
/// Where text is taken as a ticket that Python would print in another way, where the parameters are not those that a
/// browser's `URLSearchParams` reads (empty ones aside), and where templates would see the ticket.
pub fn query_string(data: &[u8]) {
    if let Some(parameters) = python::parse_qsl(data) {
        let expected = form_urlencoded::parse(data).into_owned().filter(|(_, value)| !value.is_empty());
        assert!(parameters.iter().cloned().eq(expected), "{parameters:?}");
        for (_, value) in parameters {
            if let Some(ticket) = Ticket::parse(&value) {
                canonical(&value, ticket);
            }
        }
    }
    if let Ok(uri) = Uri::try_from(data) {
        let scope = Scope::new(&uri);
        assert!(scope.query().get("uuid").is_none(), "templates see the ticket");
        if let TicketParameter::Given(ticket) = scope.ticket() {
            let _ = Scope::new(&format!("/?uuid={}", ticket.expose()).parse().expect("a ticket needs no escapes"));
            canonical(&ticket.expose(), ticket);
        }
    }
}

fn canonical(text: &str, ticket: Ticket) {
    assert!(ticket.expose() == text, "a ticket is not as Python prints it");
    let read = python::uuid(&Value::Str(text.to_owned())).expect("Python reads a ticket as a UUID");
    assert_eq!(read.hyphenated().to_string(), text);
}
