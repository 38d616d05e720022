//! `rediss://`: what the `ssl_*` options of redis-py (8.1, `redis/connection.py`, `SSLConnection`) allow.

use std::{io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
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
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(options)?), provider).build();
        let verifier =
            verifier.map_err(|error| io::Error::other(format!("no certificate authority to trust: {error}")))?;
        if options.accept_any_name { Arc::new(AnyName { verifier }) } else { verifier }
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
fn roots(options: &RedisTls) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &options.ca_file {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| named(file, &error))?;
        }
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

/// `ssl_check_hostname = False`: the chain is checked, the name is not.
#[derive(Debug)]
struct AnyName {
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
