//! The address for those who run the server: what is going on, and the page that shows it.
//!
//! A listener of its own, off unless `[admin] bind` is stated. Whoever reaches it may read; only who has `[admin] token`
//! may change something. It stays while the settings are reloaded and while sockets are drained, and ends last.

mod access;
mod answer;
mod board;
mod connected;
mod crowd;
mod disconnect;
mod groups;
mod hosts;
mod options;
mod overview;
mod page;
mod query;
mod refusals;
mod router;
mod samples;
mod server;
#[cfg(test)]
mod tests;
mod wrong_tokens;

pub(crate) use access::Access;
pub(crate) use board::Board;
pub(crate) use hosts::{is_known, name_of};
pub(crate) use options::AdminOptions;
pub(crate) use server::AdminServer;
