//! Django behind us: where it listens, whether it answers, and which of several servers is the least busy.

mod address;
mod health;
mod options;
mod server;
mod servers;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use address::{Address, AddressError};
pub(crate) use options::{HoldOptions, ProxyOptions, RouteAuth, UpstreamOptions};
pub(crate) use server::Lease;
pub(crate) use servers::{ConnectError, Connected, Upstream};
pub(crate) use stream::Stream;
