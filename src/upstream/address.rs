//! Where a server listens, as `--upstream` and `proxy` say it.

use std::{fmt, path::PathBuf};

use url::{Host, Url};

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// `http://host:port`, or `ws://host:port`. An IPv6 address stands in brackets.
    Tcp { host: String, port: u16 },
    /// `unix:/run/gunicorn.sock`.
    Unix(PathBuf),
}

/// What is wrong with a text that should be an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("is no URL such as http://127.0.0.1:8000 or unix:/run/django.sock")]
    NoUrl,
    #[error(
        "asks for TLS: the way to Django is not encrypted, so take http://, within the machine or a trusted network"
    )]
    Tls,
    #[error(
        "has a path, a query or a fragment: requests are passed on under their own paths, so name the server alone"
    )]
    Path,
    #[error("has a user or a password: requests are passed on with the client's own credentials")]
    Credentials,
    #[error("needs the absolute path of a socket, such as unix:/run/django.sock")]
    RelativeSocket,
}

impl Address {
    /// Reads `http://host[:port]`, `ws://host[:port]` or `unix:/path`.
    ///
    /// # Errors
    ///
    /// [`AddressError`], to be put behind the text.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_path = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
            return if is_path { Ok(Self::Unix(PathBuf::from(path))) } else { Err(AddressError::RelativeSocket) };
        }
        let url = Url::parse(text).map_err(|_| AddressError::NoUrl)?;
        match url.scheme() {
            "http" | "ws" => {}
            "https" | "wss" => return Err(AddressError::Tls),
            _ => return Err(AddressError::NoUrl),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Path);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => format!("[{address}]"),
            _ => return Err(AddressError::NoUrl),
        };
        Ok(Self::Tcp { host, port: url.port_or_known_default().unwrap_or(80) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_server_alone() {
        for (text, shown) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://web:8000/", "http://web:8000"),
            ("ws://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://django", "http://django:80"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("unix:/run/django.sock", "unix:/run/django.sock"),
            ("unix:///run/django.sock", "unix:/run/django.sock"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_else_a_url_may_say_is_refused_by_name() {
        for (text, error) in [
            ("127.0.0.1:8000", AddressError::NoUrl),
            ("localhost:8000", AddressError::NoUrl),
            ("", AddressError::NoUrl),
            ("redis://host", AddressError::NoUrl),
            ("https://host", AddressError::Tls),
            ("wss://host", AddressError::Tls),
            ("http://host/app/", AddressError::Path),
            ("http://host/?a=1", AddressError::Path),
            ("http://user:password@host", AddressError::Credentials),
            ("unix:run/django.sock", AddressError::RelativeSocket),
            ("unix:/run/", AddressError::RelativeSocket),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }
}
