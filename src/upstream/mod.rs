//! Django behind us: where it listens, whether it answers, and which of several servers is the least busy.

mod address;
mod ambiguous;
mod client;
mod dial;
mod download;
mod headers;
mod health;
mod options;
mod pass;
mod peer;
mod post;
mod server;
mod servers;
mod stream;
#[cfg(test)]
mod tests;
mod upload;

/// Headers of an answer: hyper needs a number.
const MAX_HEADERS: usize = 1000;

pub(crate) use address::Address;
pub(crate) use ambiguous::Ambiguous;
pub(crate) use dial::{DialError, Handshake, HandshakeAnswer, OpenUpstream};
pub(crate) use download::Download;
pub(crate) use headers::Forwarding;
pub(crate) use options::{HoldOptions, ProxyOptions, RouteAuth, UpstreamOptions};
pub(crate) use pass::PassError;
pub(crate) use peer::{ClientAddress, Peer};
pub(crate) use server::Lease;
pub(crate) use servers::{ConnectError, Connected, Upstream};
pub(crate) use stream::Stream;
