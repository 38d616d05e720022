//! The keys that verify tokens, parsed once: from the settings, or out of a JWKS.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use ed448_goldilocks::signature::Verifier as _;
use jsonwebtoken::DecodingKey;

use super::{
    Algorithm, pem,
    public_key::{Curve, PublicKey},
    unverified::Signature,
};
use crate::{
    python::{Value, json},
    secret::Secret,
};

/// A key that the settings give cannot verify any token. Django would answer 500 to every request; here it stops the
/// start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// No key at all.
    #[error("{algorithm} needs SIMPLE_JWT's {setting}, which is empty")]
    Missing { algorithm: &'static str, setting: &'static str },
    /// An asymmetric key or a certificate where a shared secret is wanted.
    #[error("SIMPLE_JWT's SIGNING_KEY is an asymmetric key or a certificate, but {algorithm} needs a shared secret")]
    NotASecret { algorithm: &'static str },
    /// A JWK where a shared secret is wanted.
    #[error(
        "SIMPLE_JWT's SIGNING_KEY is a JWK, which PyJWT refuses as a secret: use the secret that its \"k\" encodes"
    )]
    Jwk,
    /// Nothing that PyJWT reads as a public key.
    #[error(
        "SIMPLE_JWT's VERIFYING_KEY is no public key that PyJWT reads: PEM, starting with -----BEGIN PUBLIC KEY-----"
    )]
    Unreadable,
    /// A certificate, from which PyJWT does not take the key.
    #[error(
        "SIMPLE_JWT's VERIFYING_KEY is a certificate, of which PyJWT does not take the key: \
         openssl x509 -pubkey -noout -in FILE prints it"
    )]
    Certificate,
    /// A private RSA key, with which PyJWT can sign but not verify.
    #[error(
        "SIMPLE_JWT's VERIFYING_KEY is a private RSA key, with which PyJWT cannot verify: \
         openssl pkey -pubout -in FILE prints the public one"
    )]
    Private,
    /// A good key, for another algorithm.
    #[error("{algorithm} does not work with {found}")]
    WrongType { algorithm: &'static str, found: &'static str },
    /// An RSA key of a size that PyJWT takes and we do not.
    #[error("{algorithm} with an RSA key of {bits} bits is not supported: the key must have 2048 to 8192 bits")]
    RsaSize { algorithm: &'static str, bits: usize },
    /// `JWK_URL` is no `http` or `https` URL.
    #[error("SIMPLE_JWT's JWK_URL is not an http or https URL")]
    JwkUrl,
    /// `JWK_URL` is `https`, but the system's certificates could not be read.
    #[error("SIMPLE_JWT's JWK_URL needs the system's root certificates: {0}")]
    RootCertificates(String),
}

/// A key that knows its algorithm. `Debug` does not show it.
pub(super) enum VerifyingKey {
    /// Those that jsonwebtoken has.
    Jsonwebtoken(DecodingKey, jsonwebtoken::Algorithm),
    /// RS256 and RS512 with 1024 to 2047 bits, where PyJWT only warns.
    ShortRsa(ParsedPublicKey),
    Es512(p521::ecdsa::VerifyingKey),
    Es256k(k256::ecdsa::VerifyingKey),
    Ed448(ed448_goldilocks::VerifyingKey),
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifyingKey(***)")
    }
}

impl VerifyingKey {
    /// The shared secret of HS*, whatever its length.
    /// Matches PyJWT 2.15.1, algorithms.py, `HMACAlgorithm.prepare_key`.
    pub(super) fn from_secret(secret: &Secret, algorithm: Algorithm) -> Result<Self, KeyError> {
        let name = algorithm.name();
        let secret = secret.expose();
        if secret.is_empty() {
            return Err(KeyError::Missing { algorithm: name, setting: "SIGNING_KEY" });
        }
        if looks_asymmetric(secret) {
            return Err(KeyError::NotASecret { algorithm: name });
        }
        if json::loads_str(secret).is_ok_and(|document| holds_jwk(&document)) {
            return Err(KeyError::Jwk);
        }
        let algorithm = jsonwebtoken_algorithm(algorithm)
            .ok_or(KeyError::WrongType { algorithm: name, found: "a shared secret" })?;
        Ok(Self::Jsonwebtoken(DecodingKey::from_secret(secret.as_bytes()), algorithm))
    }

    /// `VERIFYING_KEY`: PEM, or a line in SSH's form.
    /// Matches PyJWT, algorithms.py, `prepare_key` of `RSAAlgorithm`, `ECAlgorithm` and `OKPAlgorithm`.
    pub(super) fn from_text(key: &Secret, algorithm: Algorithm) -> Result<Self, KeyError> {
        let text = key.expose();
        if text.is_empty() {
            return Err(KeyError::Missing { algorithm: algorithm.name(), setting: "VERIFYING_KEY" });
        }
        if text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") {
            return Self::new(&PublicKey::from_ssh(text).ok_or(KeyError::Unreadable)?, algorithm);
        }
        let blocks = pem::blocks(text);
        let is_private = |label: &str| label.ends_with("PRIVATE KEY");
        let is_rsa = uses_rsa(algorithm);
        // With RSA PyJWT looks for a private key first, otherwise for a public one.
        let key = match blocks.first() {
            Some(block) if matches!(block.label, "PUBLIC KEY" | "RSA PUBLIC KEY") => {
                if is_rsa && blocks.iter().any(|block| is_private(block.label)) {
                    return Err(KeyError::Private);
                }
                block.content.as_deref().and_then(PublicKey::from_der)
            }
            Some(block) if block.label == "CERTIFICATE" => return Err(KeyError::Certificate),
            Some(block) if is_rsa && is_private(block.label) => return Err(KeyError::Private),
            Some(block) if is_private(block.label) => block.content.as_deref().and_then(PublicKey::from_private_der),
            _ => None,
        };
        Self::new(&key.ok_or(KeyError::Unreadable)?, algorithm)
    }

    /// `key`, if `algorithm` works with it.
    pub(super) fn new(key: &PublicKey, algorithm: Algorithm) -> Result<Self, KeyError> {
        use jsonwebtoken::Algorithm::{ES256, ES384, EdDSA};

        let name = algorithm.name();
        let parsed = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyError::Unreadable)
        };
        match (algorithm, key) {
            (_, PublicKey::Rsa { modulus, exponent }) if uses_rsa(algorithm) => Self::rsa(modulus, exponent, algorithm),
            (Algorithm::Es256, PublicKey::Ec { curve: Curve::P256, point }) => {
                parsed(&ECDSA_P256_SHA256_FIXED, point)?;
                Ok(Self::Jsonwebtoken(DecodingKey::from_ec_der(point), ES256))
            }
            (Algorithm::Es384, PublicKey::Ec { curve: Curve::P384, point }) => {
                parsed(&ECDSA_P384_SHA384_FIXED, point)?;
                Ok(Self::Jsonwebtoken(DecodingKey::from_ec_der(point), ES384))
            }
            (Algorithm::Es512 | Algorithm::Es521, PublicKey::Ec { curve: Curve::P521, point }) => {
                p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::Es512).map_err(|_| KeyError::Unreadable)
            }
            (Algorithm::Es256k, PublicKey::Ec { curve: Curve::K256, point }) => {
                k256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::Es256k).map_err(|_| KeyError::Unreadable)
            }
            (Algorithm::EdDsa, PublicKey::Ed25519(point)) => {
                parsed(&ED25519, point)?;
                Ok(Self::Jsonwebtoken(DecodingKey::from_ed_der(point), EdDSA))
            }
            (Algorithm::EdDsa, PublicKey::Ed448(point)) => {
                let point = point.as_slice().try_into().map_err(|_| KeyError::Unreadable)?;
                ed448_goldilocks::VerifyingKey::from_bytes(&point).map(Self::Ed448).map_err(|_| KeyError::Unreadable)
            }
            (_, key) => Err(KeyError::WrongType { algorithm: name, found: key.describe() }),
        }
    }

    /// PyJWT only warns of short keys. aws-lc verifies from 1024 bits on with PKCS#1 and SHA-256 or SHA-512, else from
    /// 2048 on, and up to 8192.
    fn rsa(modulus: &[u8], exponent: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
        let unsupported = KeyError::RsaSize { algorithm: algorithm.name(), bits };
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        let short = match algorithm {
            Algorithm::Rs256 => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            Algorithm::Rs512 => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
            _ => None,
        };
        match (bits, short, jsonwebtoken_algorithm(algorithm)) {
            (1024..2048, Some(parameters), _) => {
                components.to_parsed_public_key(parameters).map(Self::ShortRsa).map_err(|_| KeyError::Unreadable)
            }
            (2048..=8192, _, Some(algorithm)) => {
                Ok(Self::Jsonwebtoken(DecodingKey::from_rsa_raw_components(modulus, exponent), algorithm))
            }
            _ => Err(unsupported),
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &Signature<'_>) -> bool {
        let bytes = signature.bytes.as_slice();
        match self {
            Self::Jsonwebtoken(key, algorithm) => {
                jsonwebtoken::crypto::verify(signature.text, message, key, *algorithm).unwrap_or(false)
            }
            Self::ShortRsa(key) => key.verify_sig(message, bytes).is_ok(),
            Self::Es512(key) => {
                p521::ecdsa::Signature::from_slice(bytes).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            // OpenSSL takes both of a signature's forms; k256 only the one with the smaller `s`.
            Self::Es256k(key) => k256::ecdsa::Signature::from_slice(bytes)
                .is_ok_and(|signature| key.verify(message, &signature.normalize_s()).is_ok()),
            Self::Ed448(key) => ed448_goldilocks::Signature::try_from(bytes)
                .is_ok_and(|signature| key.verify_raw(&signature, message).is_ok()),
        }
    }
}

const fn uses_rsa(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512
    )
}

/// jsonwebtoken's name for it, where it has one.
pub(super) const fn jsonwebtoken_algorithm(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Theirs;
    match algorithm {
        Algorithm::Hs256 => Some(Theirs::HS256),
        Algorithm::Hs384 => Some(Theirs::HS384),
        Algorithm::Hs512 => Some(Theirs::HS512),
        Algorithm::Rs256 => Some(Theirs::RS256),
        Algorithm::Rs384 => Some(Theirs::RS384),
        Algorithm::Rs512 => Some(Theirs::RS512),
        Algorithm::Ps256 => Some(Theirs::PS256),
        Algorithm::Ps384 => Some(Theirs::PS384),
        Algorithm::Ps512 => Some(Theirs::PS512),
        Algorithm::Es256 => Some(Theirs::ES256),
        Algorithm::Es384 => Some(Theirs::ES384),
        Algorithm::EdDsa => Some(Theirs::EdDSA),
        Algorithm::Es256k | Algorithm::Es512 | Algorithm::Es521 => None,
    }
}

/// Whether PyJWT takes a secret for an asymmetric key: PEM of any kind, or SSH's form.
/// Matches PyJWT, utils.py, `is_pem_format` and `is_ssh_key`.
fn looks_asymmetric(secret: &str) -> bool {
    const LABELS: [&str; 16] = [
        "CERTIFICATE",
        "TRUSTED CERTIFICATE",
        "PRIVATE KEY",
        "PUBLIC KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "DSA PRIVATE KEY",
        "RSA PRIVATE KEY",
        "RSA PUBLIC KEY",
        "EC PRIVATE KEY",
        "DH PARAMETERS",
        "NEW CERTIFICATE REQUEST",
        "CERTIFICATE REQUEST",
        "SSH2 PUBLIC KEY",
        "SSH2 ENCRYPTED PRIVATE KEY",
        "X509 CRL",
    ];
    const SSH: [&str; 6] =
        ["ssh-ed25519", "ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
    let after_marker = |text: &str, rest: &str| -> Option<usize> {
        let variants = [("-", "-"), ("-", " "), (" ", "-"), (" ", " ")];
        variants.iter().find_map(|(before, after)| {
            let marker = format!("----{before}{text}{after}----");
            rest.find(&marker).map(|at| at + marker.len())
        })
    };
    SSH.iter().any(|prefix| secret.starts_with(prefix))
        || LABELS.iter().any(|label| {
            // The markers must not touch: at least one character stands between them.
            let body = after_marker(&format!("BEGIN {label}"), secret)
                .map(|at| secret[at..].chars().skip(1).collect::<String>());
            body.is_some_and(|body| after_marker(&format!("END {label}"), &body).is_some())
        })
}

/// Whether a JSON document holds an object with `kty`.
fn holds_jwk(document: &Value) -> bool {
    match document {
        Value::Dict(entries) => entries.iter().any(|(key, value)| key == "kty" || holds_jwk(value)),
        Value::List(items) => items.iter().any(holds_jwk),
        _ => false,
    }
}
