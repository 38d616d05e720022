//! The certificate that the server shows, and its key, as they stand in two files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    TlsOptions,
    x509::{Described, describe},
};

/// Whoever renews does so earlier: certbot 30 days before the end.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What tells the key of one that is locked.
const LOCKED: [&[u8]; 2] = [b"ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// A chain whose first certificate fits the key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    /// What is in the file of the key. Compared, and never shown.
    key: Arc<PrivateKeyDer<'static>>,
    pub(crate) described: Described,
}

/// Why the files give no certificate to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("there is no certificate in {}: a PEM file has -----BEGIN CERTIFICATE----- before each", file.display())]
    NoCertificate { file: PathBuf },
    #[error("{} holds no certificate that can be read: {reason}", file.display())]
    BadCertificate { file: PathBuf, reason: String },
    #[error("there is no private key in {}: a PEM file has -----BEGIN PRIVATE KEY----- before it, or RSA or EC PRIVATE KEY", file.display())]
    NoKey { file: PathBuf },
    #[error("the private key in {} is locked with a passphrase, and nobody is there to type it", file.display())]
    LockedKey { file: PathBuf },
    #[error("the private key in {} cannot be used: {reason}", file.display())]
    BadKey { file: PathBuf, reason: String },
    #[error("the private key in {} is not that of the first certificate in {}{}", key.display(), certificate.display(), position(*fits))]
    OtherKey { certificate: PathBuf, key: PathBuf, fits: Option<usize> },
}

/// That of another one, counted from 1.
fn position(fits: Option<usize>) -> String {
    fits.map(|index| format!(", but of number {} there", index + 1)).unwrap_or_default()
}

impl IdentityError {
    /// What to do about it.
    pub(crate) fn mend(&self) -> String {
        match self {
            Self::Unreadable { file, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                format!("# let the user that runs sluicegate read it, and nobody else\nchmod 640 {0}; chgrp sluicegate {0}", file.display())
            }
            Self::LockedKey { file } => {
                format!("openssl pkey -in {} -out privkey.pem        # asks for the passphrase once", file.display())
            }
            Self::OtherKey { fits: Some(_), .. } => {
                "# the server's own certificate stands first, then those that vouch for it:\ncat server.pem intermediate.pem > fullchain.pem".to_owned()
            }
            Self::OtherKey { .. } => {
                "# both from the same renewal; certbot: fullchain.pem and privkey.pem of one folder\n[server]\ntls_certificate = \"/etc/letsencrypt/live/example.com/fullchain.pem\"\ntls_key = \"/etc/letsencrypt/live/example.com/privkey.pem\"".to_owned()
            }
            Self::BadKey { .. } => {
                "# RSA of 2048 bits and more, ECDSA on P-256, P-384 or P-521, or Ed25519; in PKCS#8, PKCS#1 or SEC1".to_owned()
            }
            Self::Unreadable { .. } | Self::NoCertificate { .. } | Self::BadCertificate { .. } | Self::NoKey { .. } => {
                "[server]\ntls_certificate = \"/etc/ssl/site/fullchain.pem\"\ntls_key = \"/etc/ssl/site/privkey.pem\"".to_owned()
            }
        }
    }
}

impl Identity {
    /// Reads both files, which may be one.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] names the file, and what is wrong with it.
    pub(crate) fn read(options: &TlsOptions) -> Result<Self, IdentityError> {
        let TlsOptions { certificate, key } = options;
        let chain = chain(certificate, &contents(certificate)?)?;
        let described = chain.first().and_then(|first| describe(first));
        let described = described.ok_or_else(|| IdentityError::BadCertificate {
            file: certificate.clone(),
            reason: "the first is not one of X.509".to_owned(),
        })?;
        let private = private_key(key, &contents(key)?)?;
        let certified = match certified(&chain, &private) {
            Ok(certified) => certified,
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let fits = chain.iter().position(|other| certified(std::slice::from_ref(other), &private).is_ok());
                let (certificate, key) = (certificate.clone(), key.clone());
                return Err(IdentityError::OtherKey { certificate, key, fits });
            }
            Err(Error::InvalidCertificate(error)) => {
                return Err(IdentityError::BadCertificate { file: certificate.clone(), reason: error.to_string() });
            }
            Err(error) => return Err(IdentityError::BadKey { file: key.clone(), reason: error.to_string() }),
        };
        Ok(Self { certified: Arc::new(certified), key: Arc::new(private), described })
    }

    /// Whether it is the same chain and key.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert && self.key == other.key
    }

    /// What clients will not accept about it at `now`, if anything.
    pub(crate) fn fault(&self, now: Timestamp) -> Option<String> {
        let Described { not_before, not_after, .. } = self.described;
        if now >= not_after {
            return Some(format!("the certificate has expired at {not_after}: clients refuse it"));
        }
        (now < not_before)
            .then(|| format!("the certificate is good from {not_before} on: clients refuse it until then"))
    }
}

impl Identity {
    /// That it ends soon at `now`, for a certificate of its lifetime.
    pub(crate) fn ends_soon(&self, now: Timestamp) -> Option<String> {
        let Described { not_before, not_after, .. } = self.described;
        let (left, lifetime) = (not_after.duration_since(now), not_after.duration_since(not_before));
        (left.is_positive() && left < SOON.min(lifetime / 4)).then(|| {
            let left = match left.as_hours() {
                hours @ 0..48 => format!("{hours} h"),
                hours => format!("{} days", hours / 24),
            };
            format!("the certificate expires at {not_after}, in {left}: by now it should have been renewed")
        })
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Described { names, not_after, .. } = &self.described;
        let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        write!(f, "for {names}, until {not_after}")
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("described", &self.described).finish_non_exhaustive()
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(file).map_err(|source| IdentityError::Unreadable { file: file.to_owned(), source })
}

fn chain(file: &Path, contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    match CertificateDer::pem_slice_iter(contents).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if chain.is_empty() => Err(IdentityError::NoCertificate { file: file.to_owned() }),
        Ok(chain) => Ok(chain),
        Err(error) => Err(IdentityError::BadCertificate { file: file.to_owned(), reason: error.to_string() }),
    }
}

fn private_key(file: &Path, contents: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let file = file.to_owned();
    if LOCKED.iter().any(|mark| contents.windows(mark.len()).any(|part| part == *mark)) {
        return Err(IdentityError::LockedKey { file });
    }
    PrivateKeyDer::from_pem_slice(contents).map_err(|error| match error {
        pem::Error::NoItemsFound => IdentityError::NoKey { file },
        error => IdentityError::BadKey { file, reason: error.to_string() },
    })
}

fn certified(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<CertifiedKey, Error> {
    CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &aws_lc_rs::default_provider())
}
