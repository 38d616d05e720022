//! TLS of the listener: the certificate and its renewal, and a client's connection under it.
//!
//! TLS 1.2 and 1.3 by rustls with aws-lc-rs, and HTTP/1.1 alone. As under uvicorn with `--ssl-certfile` and `--ssl-keyfile`,
//! one certificate is shown whatever name a client asks for.

mod acceptor;
mod identity;
mod options;
mod session;
mod stamp;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod x509;

pub(crate) use acceptor::{OpenTlsError, TlsAcceptor};
pub(crate) use identity::{Identity, IdentityError};
pub(crate) use options::TlsOptions;
pub(crate) use stream::{HandshakeError, TlsStream};
