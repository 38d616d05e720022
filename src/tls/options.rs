//! `[server] tls_certificate` and `tls_key`.

use std::path::PathBuf;

/// The files of the listener's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// `tls_certificate`: the chain in PEM, the server's own first.
    pub(crate) certificate: PathBuf,
    /// `tls_key`: its key in PEM.
    pub(crate) key: PathBuf,
}
