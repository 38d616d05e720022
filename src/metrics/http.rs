//! Requests that are no handshakes.

use http::StatusCode;

use super::{count::Counts, exposition::Page};

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// The ticket view.
    Ticket,
    /// Django behind us, or what is said in its place.
    Upstream,
    /// `/healthz` and `/readyz`.
    Health,
    /// What Django would have answered: its page for a path that is not there, a redirect.
    Page,
    /// The server itself, before it was known what is asked for.
    Server,
}

const HANDLERS: [(Handler, &str); 5] = [
    (Handler::Ticket, "ticket"),
    (Handler::Upstream, "upstream"),
    (Handler::Health, "health"),
    (Handler::Page, "page"),
    (Handler::Server, "server"),
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Answers by who gave them and by the class of their status.
#[derive(Debug, Default)]
pub(crate) struct Requests(Counts<{ HANDLERS.len() * CLASSES.len() }>);

impl Requests {
    /// One more answer.
    pub(crate) fn answered(&self, handler: Handler, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(CLASSES.len() - 1);
        self.0.one(handler as usize * CLASSES.len() + class);
    }

    pub(super) fn write(&self, page: &mut Page) {
        let mut family = page.counter(
            "sluicegate_http_requests",
            "Requests that are no handshakes, by who answered and with which status.",
        );
        for (handler, name) in HANDLERS {
            for (class, status) in CLASSES.into_iter().enumerate().skip(1) {
                let count = self.0.get(handler as usize * CLASSES.len() + class);
                family.sample(&[("handler", name), ("status", status)], count);
            }
        }
    }
}
