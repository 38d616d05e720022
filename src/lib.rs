//! sluicegate admits the WebSockets of Django Channels projects, by their own tickets, users, cache and tokens.
//!
//! # The map
//!
//! ```text
//! cli/           one file per command
//! app/           App: open pools, bind, run, reload
//! demo/          the demonstration: page, users, chat
//! reason.rs      every refusal, with its code
//! causes.rs      an error's text, with its causes
//! clock_offset.rs  how far another machine's clock is from ours
//! secret.rs      text that never reaches a log
//! trace.rs       the id that a request has in our log and in Django's
//! networks.rs    networks of addresses: whom to trust
//! metrics/       what is counted, and the page that Prometheus reads
//! readiness.rs   reading from a socket that is known to be readable
//! tls/           TLS of the listener: the certificate and its renewal, a client's connection under it
//! admin/         the address for those who run the server
//! admission/     whose turn it is, where more come than can be let in at once
//! settings/      layers -> one typed, checked Settings; django.rs and the Python script it runs
//! server/        accept loop on hyper: time-outs, sizes, limits; the upgrade
//! http/          the ticket view, rejections, negotiation, headers, CORS, health; what Django answers behind us
//! access_token/  what SimpleJWT does with `Authorization: Bearer ...`
//! user/          Django's user model: lookups
//! ticket/        Ticket, TicketStore: issue, redeem
//! cache/         Django's cache, byte for byte: key, value, pickle; then each backend
//! commands/      what Django or the command line asks of every sluicegate, over the channel layer
//! channel_layer/ what channels_redis does: names, messages, Redis, pub/sub, in memory
//! websocket/     one client connection: scope, route, handshake, connection, close
//! consumer/      what stands behind a socket: the trait, and its kinds
//! upstream/      Django behind us: its servers, HTTP passed through, its sockets dialled
//! redis/         one connection from Django's location forms
//! database/      pools of the three engines
//! python/        what Python does with plain values: json, int(), UUID(), parse_qsl, regular expressions
//! internals/     what fuzz/ calls: promises about any bytes
//! test_support/  servers that tests start: PostgreSQL, MariaDB, pgbouncer, Redis
//! ```
//!
//! Dependencies point one way: `cli -> demo -> app -> server -> http, websocket -> consumer, upstream -> access_token,
//! user, ticket, channel_layer -> cache -> redis, database -> python`. `settings` fills in the option types of all, and none of them reads it.
//!
//! # Two journeys
//!
//! *HTTP request -> ticket*: header -> raw token -> verified claims -> user row -> new ticket -> cache entry (600 s) ->
//! `{"uuid": ...}`.
//!
//! *Handshake -> admitted -> frames and events*: upgrade request -> scope -> route -> origin and limits -> ticket redeemed
//! -> user row -> consumer asked, groups joined -> accepted -> frames and the channel layer's events until it ends ->
//! groups left.

mod access_token;
mod admin;
mod admission;
mod app;
mod cache;
mod causes;
pub mod channel_layer;
pub mod cli;
mod clock_offset;
mod commands;
pub mod consumer;
mod database;
mod demo;
mod http;
#[cfg(any(test, feature = "internals"))]
#[doc(hidden)]
pub mod internals;
mod metrics;
mod networks;
mod python;
mod readiness;
mod reason;
mod redis;
mod secret;
mod server;
mod settings;
#[cfg(test)]
mod test_support;
mod ticket;
mod tls;
mod trace;
mod upstream;
mod user;
mod websocket;

pub use app::{App, AppError};
pub use async_trait::async_trait;
pub use reason::Reason;
pub use secret::Secret;
pub use settings::Settings;
