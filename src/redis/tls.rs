//! `rediss://`: what the `ssl_*` options of redis-py (8.1, `redis/connection.py`, `SSLConnection`) allow.

use std::{io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::RedisTls;

/// The TLS side of a connection, made once: its files are read when settings are.
///
/// # Errors
///
/// Names the file that cannot be read or holds no certificate or key.
pub(super) fn client_config(options: &RedisTls) -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let verifier: Arc<dyn ServerCertVerifier> = if options.accept_any_certificate {
        Arc::new(AnyCertificate { provider })
    } else {
        let trusted = options.ca_file.as_deref().map_or(Ok(Vec::new()), certificates)?;
        let roots =
            roots(&trusted).map_err(|error| named(options.ca_file.as_deref().unwrap_or(Path::new("")), &error))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let inner =
            verifier.map_err(|error| io::Error::other(format!("no certificate authority to trust: {error}")))?;
        Arc::new(Verifier { inner, trusted, any_name: options.accept_any_name })
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let config = match &options.certificate_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            // As in Python, the key may be in the certificate's file.
            let key_file = options.key_file.as_ref().unwrap_or(file);
            let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| named(key_file, &error))?;
            builder.with_client_auth_cert(certificates(file)?, key).map_err(|error| named(file, &error))?
        }
    };
    Ok(Arc::new(config))
}

/// The system's authorities, and those of `ssl_ca_certs` besides (`ssl.create_default_context`, then
/// `load_verify_locations`).
fn roots(trusted: &[CertificateDer<'static>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in trusted {
        roots.add(certificate.clone())?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match certificates.map_err(|error| named(file, &error))? {
        certificates if certificates.is_empty() => Err(named(file, &"there is no certificate in it")),
        certificates => Ok(certificates),
    }
}

fn named(file: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", file.display()))
}

/// `ssl_cert_reqs = None`: whoever answers is believed; its signatures are checked still.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// webpki's checks, but for two things in which OpenSSL is kinder.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    /// `ssl_ca_certs`.
    trusted: Vec<CertificateDer<'static>>,
    /// `ssl_check_hostname = False`: the chain is checked, the name is not.
    any_name: bool,
}

impl Verifier {
    /// Whether `error` says that a server shows an authority's certificate as its own, and the project trusts that very
    /// certificate: it signed itself, as `openssl req -x509` makes them. webpki has looked at its dates by then.
    fn is_trusted_itself(&self, certificate: &CertificateDer<'_>, error: &Error) -> bool {
        let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
        other.to_string().contains("CaUsedAsEndEntity") && self.trusted.iter().any(|trusted| trusted == certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.inner.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            Err(error) if self.is_trusted_itself(certificate, &error) => {
                if !self.any_name {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
