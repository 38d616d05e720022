//! `docs/reasons.md` is made of the list of reasons.

use std::fmt::Write as _;

use http::header;

use super::super::{close::CloseFrame, refusal::Refusal};
use crate::reason::Reason;

const PAGE: &str = include_str!("../../../docs/reasons.md");

const HEAD: &str = "\
# Reasons

Why a handshake was refused, or an open socket closed. The code is the same in the answer's body (`code`), in the close
frame's reason, in the log (`reason=`), in the metrics (`reason=\"...\"`) and on the admin page, and is never renamed.

A refused handshake is answered with the status and JSON, `{\"detail\": <sentence>, \"code\": <code>}`. A browser's script
sees neither; with `[websocket] refuse = \"close\"` the handshake is accepted and the socket closed at once with the close
code, which it does see. Sockets that were open are always closed so.

*Ticket*: whether it is still good afterwards. A client that gets a new ticket before each attempt, as it has to where
the ticket is used up, is always right.

| code | status | close code | `Retry-After` | ticket |
| --- | --- | --- | --- | --- |
";

/// What befalls the ticket of a refused handshake.
#[derive(Clone, Copy)]
enum TicketAfter {
    /// There is none, or it was none.
    None,
    Good,
    UsedUp,
    /// Django decides, or nobody knows.
    Unknown,
    /// The socket was open.
    Open,
}

struct Advice {
    ticket: TicketAfter,
    client: &'static str,
    operator: &'static str,
}

#[expect(clippy::too_many_lines, reason = "a table")]
const fn advice(reason: Reason) -> Advice {
    let (ticket, client, operator) = match reason {
        Reason::TicketMissing => (
            TicketAfter::None,
            "Ask for a ticket and open the socket with `?uuid=<ticket>`.",
            "A client that does not know of tickets, or a proxy that drops the query string.",
        ),
        Reason::TicketMalformed => (
            TicketAfter::None,
            "Send the ticket as it came, in lower case with hyphens.",
            "A client that changes the ticket, or somebody who tries other keys of the cache: those are never looked up.",
        ),
        Reason::TicketInvalid => (
            TicketAfter::None,
            "Get a new ticket for each attempt, and use it soon: it is good once, and for 10 minutes.",
            "One now and then is a client that reconnects with its old ticket. All of them: Django issues into another cache, \
             database number, `KEY_PREFIX` or `VERSION` than the one read here; `sluicegate check` has Django redeem one.",
        ),
        Reason::UserNotFound => (
            TicketAfter::UsedUp,
            "Log in again.",
            "The user was deleted. All of them: users are looked up in another database than Django's. An open socket is closed \
             within `[websocket] user_check_interval`.",
        ),
        Reason::UserInactive => (
            TicketAfter::UsedUp,
            "Do not try again: the account is closed.",
            "`is_active` is false. An open socket is closed within `[websocket] user_check_interval`.",
        ),
        Reason::OriginRefused => (
            TicketAfter::Good,
            "Nothing that a client can do: the page is served from an origin that the project does not list.",
            "`ALLOWED_HOSTS` (or the list of `OriginValidator`) against the page's own address, with scheme and port. Where the \
             page is yours, add it; where it is not, somebody else's page tries to open sockets as your users.",
        ),
        Reason::NoRoute => (
            TicketAfter::Good,
            "Check the path; a slash at the end counts.",
            "The `[[route]]`s against Django's `websocket_urlpatterns`. Many different paths are a scanner.",
        ),
        Reason::BadHandshake => (
            TicketAfter::Good,
            "Nothing in a browser's script: use a WebSocket client that follows RFC 6455. The detail says what is wrong. The \
             status is 405 for another method than GET, and 426 for another version than 13.",
            "Usually a proxy before the server that drops `Upgrade` or `Connection`, or speaks HTTP/1.0 to it.",
        ),
        Reason::LimitUser => (
            TicketAfter::UsedUp,
            "Close another socket first, then come with a new ticket.",
            "`[limits] connections_per_user`; counted over all sluicegates of the Redis unless `share_users` is false. A client \
             that opens sockets without closing them shows on the admin page.",
        ),
        Reason::LimitAddress => (
            TicketAfter::Good,
            "Try again later.",
            "`[limits] connections_per_address`. If all clients share few addresses, a proxy stands before the server and is not \
             in `[limits] trusted_proxies`.",
        ),
        Reason::LimitConnections => (
            TicketAfter::Good,
            "Try again after `Retry-After` seconds.",
            "`[limits] connections`, and the limit of file descriptors: `sluicegate_sockets` against `sluicegate_sockets_max`. \
             Raise it, or add a process.",
        ),
        Reason::LimitRoute => (
            TicketAfter::Good,
            "Try again after `Retry-After` seconds.",
            "`connections` of that `[[route]]`: `sluicegate_sockets_admitted`.",
        ),
        Reason::Overloaded => (
            TicketAfter::Good,
            "Try again after `Retry-After` seconds, which differ from client to client. The ticket view answers the same.",
            "More clients come than `[limits] handshakes_per_second`, `tickets_per_second` or `at_once` let in: \
             `sluicegate_admission_waiting`. After a restart it passes by itself; else look whether cache and database are slow.",
        ),
        Reason::UnavailableCache => (
            TicketAfter::Unknown,
            "Try again after `Retry-After` seconds with a new ticket. The ticket view answers the same.",
            "Redis, or the cache's table: `sluicegate_cache_errors_total`, `/readyz`, and the line of the log beside this one.",
        ),
        Reason::UnavailableDatabase => (
            TicketAfter::UsedUp,
            "Try again after `Retry-After` seconds with a new ticket. The ticket view answers the same.",
            "The database: `sluicegate_database_errors_total`, and whether the pool is too small: \
             `sluicegate_database_pool_wait_seconds`.",
        ),
        Reason::UnavailableLayer => (
            TicketAfter::UsedUp,
            "Try again after `Retry-After` seconds with a new ticket.",
            "The channel layer's Redis: `sluicegate_channel_layer_errors_total`, and the line of the log beside this one.",
        ),
        Reason::ConsumerRefused => (
            TicketAfter::UsedUp,
            "What the project means by it. A consumer's own close code takes the place of this one.",
            "Nothing is wrong: the consumer closed the socket instead of accepting it.",
        ),
        Reason::ConsumerFailed => (
            TicketAfter::UsedUp,
            "Try again later with a new ticket.",
            "The consumer's code: the line of the log beside this one, and `sluicegate_consumer_failures_total`.",
        ),
        Reason::GroupInvalid => (
            TicketAfter::Unknown,
            "Check the path: the name in it is too long, or has other characters than ASCII letters, digits, `-`, `_` and `.`.",
            "The route's path lets in what Channels does not take in a group's name (`<slug:...>` has only characters that are \
             good), or the whole name has 100 characters or more.",
        ),
        Reason::AskRefused => (
            TicketAfter::UsedUp,
            "What the project means by it. The view's own close code takes the place of this one.",
            "Nothing is wrong: the view answered that this user is not to come in.",
        ),
        Reason::AskFailed => (
            TicketAfter::UsedUp,
            "Try again after `Retry-After` seconds with a new ticket.",
            "Django's own log, and the line of ours beside this one; `[route.ask] timeout` and `[ask] max_open` where the view \
             is only slow.",
        ),
        Reason::UnavailableUpstream => (
            TicketAfter::Unknown,
            "Try again after `Retry-After` seconds with a new ticket.",
            "Django behind `[upstream]` does not run, or listens elsewhere: `sluicegate_upstream_up`.",
        ),
        Reason::UpstreamRefused => (
            TicketAfter::Unknown,
            "What Django means by it. The status is Django's own; the close code is 4404 for a 404, 4429 for a 429, and 4503 from \
             500 on.",
            "Django's own log: its consumer, its middleware or its origin validator refused.",
        ),
        Reason::UpstreamFailed => (
            TicketAfter::Unknown,
            "Try again later with a new ticket.",
            "Django's own log: its process ended or broke off, or what listens at `[upstream]` is no HTTP server.",
        ),
        Reason::UpstreamTimeout => (
            TicketAfter::Unknown,
            "Try again later with a new ticket.",
            "Django is overloaded or hangs: `[upstream] timeout`, `sluicegate_upstream_busy`.",
        ),
        Reason::Draining => (
            TicketAfter::Good,
            "Try again after `Retry-After` seconds. Open sockets are closed with 1012 meanwhile: come back after a moment of \
             random length.",
            "A restart or a deploy. If it lasts, a process hangs in its drain: `[server] drain_seconds`.",
        ),
        Reason::TokenExpired => (
            TicketAfter::Open,
            "Refresh the access token, get a new ticket, and connect again.",
            "`[websocket] expire_with_token` is on: nothing is wrong.",
        ),
        Reason::TokenRevoked => {
            (TicketAfter::Open, "Log in again.", "The token was put on SimpleJWT's blacklist, as a logout does.")
        }
        Reason::PasswordChanged => (
            TicketAfter::Open,
            "Log in again.",
            "`CHECK_REVOKE_TOKEN` is on, and the user's password is another one than when the token was issued.",
        ),
        Reason::Disconnected => (
            TicketAfter::Open,
            "Do not come back at once. What code and reason say where the command had its own.",
            "Somebody ended this user's sockets: `sluicegate disconnect`, the admin page, or the project's \
             `sluicegate.disconnect`. The log has it.",
        ),
    };
    Advice { ticket, client, operator }
}

fn made() -> String {
    let mut page = HEAD.to_owned();
    for reason in Reason::ALL {
        let (response, close) = (Refusal::from(reason).response(), CloseFrame::refusal(reason).code);
        let (status, retry) = (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER));
        let status = match (reason, advice(reason).ticket) {
            (_, TicketAfter::Open) => "–, open sockets only".to_owned(),
            (Reason::UpstreamRefused, _) => "Django's own".to_owned(),
            (Reason::BadHandshake, _) => "400, 405 or 426".to_owned(),
            (Reason::UserNotFound | Reason::UserInactive, _) => format!("{status}, and open sockets"),
            _ => status.to_string(),
        };
        let ticket = match advice(reason).ticket {
            TicketAfter::None | TicketAfter::Open => "–",
            TicketAfter::Good => "still good",
            TicketAfter::UsedUp => "used up",
            TicketAfter::Unknown => "may be used up",
        };
        let (code, retry) = (reason.code(), if retry { "yes" } else { "" });
        let _ = writeln!(page, "| [`{code}`](#{code}) | {status} | {close} | {retry} | {ticket} |");
    }
    for reason in Reason::ALL {
        let Advice { client, operator, .. } = advice(reason);
        let (code, detail) = (reason.code(), reason.detail());
        let _ = write!(page, "\n## {code}\n\n{detail}\n\n- **Client:** {client}\n- **Operator:** {operator}\n");
    }
    page
}

#[test]
fn the_page_of_reasons_has_every_reason() {
    let made = made();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md"), &made).unwrap();
        return;
    }
    assert!(
        PAGE == made,
        "docs/reasons.md is not what the code says: UPDATE=1 cargo test --lib the_page_of_reasons writes it anew"
    );
}
