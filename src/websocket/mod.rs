//! One client connection: scope, route, handshake, frames, close.
//!
//! `handshake` admits or refuses, `admitted` asks the consumer, `connection` runs what was admitted on `codec`, `outbox` and `registry`; `roll` knows who is connected; `proxy` passes a
//! handshake on to Django, and `relay` runs what Django accepted.

mod admitted;
pub(crate) mod close;
pub(crate) mod codec;
mod connection;
mod deflate;
mod denied;
mod drain;
mod explain;
mod handshake;
mod limits;
mod options;
mod origin;
mod outbox;
mod proxy;
mod random;
mod refusal;
mod refusals;
mod registry;
mod relay;
mod revocation;
mod roll;
pub(crate) mod route;
pub(crate) mod scope;
mod scratch;
mod site;

pub(crate) use drain::longest as longest_drain;
pub(crate) use explain::explain;
pub(crate) use handshake::{AnswerBody, answer, is_upgrade};
pub(crate) use options::{DeflateOptions, OriginPolicy, RefuseBy, WebSocketOptions};
pub(crate) use refusals::RefusedHandshake;
pub(crate) use registry::Registry;
pub(crate) use revocation::watch;
pub(crate) use roll::{ConnectedSocket, Listed};
pub(crate) use route::Route;
pub(crate) use site::{OpenSockets, WebSocketParts, WebSocketSite};

#[cfg(test)]
pub(crate) mod tests;
