//! `[admin]`.

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
