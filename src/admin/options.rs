//! `[admin]`.

use std::net::SocketAddr;

use crate::secret::Secret;

/// The address for those who run the server.
#[derive(Clone, Debug)]
pub(crate) struct AdminOptions {
    /// `bind`: where it listens.
    pub(crate) bind: String,
    /// `token`: who has it may change something. Default: none, and nobody may.
    pub(crate) token: Option<Secret>,
    /// `allowed_hosts`: names by which it is asked, besides addresses and `localhost`. Default: none.
    pub(crate) allowed_hosts: Vec<String>,
}

impl AdminOptions {
    /// What is said where [`is_open_to_others`](Self::is_open_to_others).
    pub(crate) const OPEN_TO_OTHERS: &str = "the admin address is open to other machines without `[admin] token`: whoever reaches it reads who is \
         connected; bind it to 127.0.0.1, or let a firewall or network policy guard it";

    /// Whether other machines reach it and there is not even a token.
    pub(crate) const fn is_open_to_others(&self, address: SocketAddr) -> bool {
        self.token.is_none() && !address.ip().is_loopback()
    }
}
