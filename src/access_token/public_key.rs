//! A public key, out of any of the forms in which PyJWT reads one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed448_goldilocks::pkcs8::DecodePrivateKey;
use p521::pkcs8::{
    ObjectIdentifier,
    der::{self, Decode, Reader, SliceReader, asn1::UintRef},
    spki::SubjectPublicKeyInfoRef,
};

/// A public key that does not know its algorithm yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Both numbers big-endian, without leading zeros.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point in SEC1's form.
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    Ed448(Vec<u8>),
}

/// The curves that a JWT algorithm uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    /// `secp256k1`.
    K256,
}

impl Curve {
    const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::K256];

    /// The JWK's `crv`.
    pub(super) fn from_crv(crv: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.crv() == crv)
    }

    pub(super) const fn crv(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::K256 => "secp256k1",
        }
    }

    /// Bytes of a coordinate.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::P256 | Self::K256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
            Self::K256 => "1.3.132.0.10",
        })
    }

    const fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
            Self::K256 => &ECDSA_P256K1_SHA256_FIXED_SIGNING,
        }
    }
}

impl PublicKey {
    /// A DER document of type `PUBLIC KEY` or `RSA PUBLIC KEY`; cryptography tells them apart by their content.
    pub(super) fn from_der(document: &[u8]) -> Option<Self> {
        const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
        const ED448: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.113");

        let Ok(info) = SubjectPublicKeyInfoRef::from_der(document) else { return Self::from_pkcs1(document) };
        let key = info.subject_public_key.as_bytes()?;
        match info.algorithm.oid {
            RSA => Self::from_pkcs1(key),
            EC => {
                let oid = info.algorithm.parameters_oid().ok()?;
                let curve = Curve::ALL.into_iter().find(|curve| curve.oid() == oid)?;
                Some(Self::Ec { curve, point: key.to_vec() })
            }
            ED25519 => Some(Self::Ed25519(key.to_vec())),
            ED448 => Some(Self::Ed448(key.to_vec())),
            _ => None,
        }
    }

    /// `RSAPublicKey` of PKCS#1.
    fn from_pkcs1(document: &[u8]) -> Option<Self> {
        let mut reader = SliceReader::new(document).ok()?;
        let numbers = |reader: &mut SliceReader<'_>| -> der::Result<Self> {
            reader.sequence(|numbers| {
                let modulus = UintRef::decode(numbers)?.as_bytes().to_vec();
                let exponent = UintRef::decode(numbers)?.as_bytes().to_vec();
                Ok(Self::Rsa { modulus, exponent })
            })
        };
        let key = numbers(&mut reader).ok()?;
        reader.finish().ok()?;
        Some(key)
    }

    /// The public half of a DER document of type `PRIVATE KEY` or `EC PRIVATE KEY`, for the algorithms with which
    /// PyJWT verifies by a private key too: ECDSA and `EdDSA`.
    pub(super) fn from_private_der(document: &[u8]) -> Option<Self> {
        let on_curve = |curve: Curve| {
            let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), document).ok()?;
            Some(Self::Ec { curve, point: pair.public_key().as_ref().to_vec() })
        };
        let ed25519 = || {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).ok()?;
            Some(Self::Ed25519(pair.public_key().as_ref().to_vec()))
        };
        let ed448 = || {
            let key = ed448_goldilocks::SigningKey::from_pkcs8_der(document).ok()?;
            Some(Self::Ed448(key.verifying_key().to_bytes().to_vec()))
        };
        Curve::ALL.into_iter().find_map(on_curve).or_else(ed25519).or_else(ed448)
    }

    /// A line of `authorized_keys`: `ssh-rsa AAAA...`.
    pub(super) fn from_ssh(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next()?;
        let blob = STANDARD.decode(words.next()?).ok()?;
        let mut fields = SshFields(&blob);
        if fields.next()? != kind.as_bytes() {
            return None;
        }
        let unsigned = |number: &[u8]| number.iter().copied().skip_while(|&byte| byte == 0).collect();
        let mut point = |curve: Curve| {
            fields.next()?;
            Some(Self::Ec { curve, point: fields.next()?.to_vec() })
        };
        match kind {
            "ecdsa-sha2-nistp256" => point(Curve::P256),
            "ecdsa-sha2-nistp384" => point(Curve::P384),
            "ecdsa-sha2-nistp521" => point(Curve::P521),
            "ssh-rsa" => {
                let exponent = unsigned(fields.next()?);
                Some(Self::Rsa { modulus: unsigned(fields.next()?), exponent })
            }
            "ssh-ed25519" => Some(Self::Ed25519(fields.next()?.to_vec())),
            _ => None,
        }
    }

    /// What it is, for a message.
    pub(super) const fn describe(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "an RSA key",
            Self::Ec { curve: Curve::P256, .. } => "an EC key on P-256",
            Self::Ec { curve: Curve::P384, .. } => "an EC key on P-384",
            Self::Ec { curve: Curve::P521, .. } => "an EC key on P-521",
            Self::Ec { curve: Curve::K256, .. } => "an EC key on secp256k1",
            Self::Ed25519(_) => "an Ed25519 key",
            Self::Ed448(_) => "an Ed448 key",
        }
    }
}

/// The fields of SSH's wire format: a length in four bytes, then so many bytes.
struct SshFields<'a>(&'a [u8]);

impl<'a> SshFields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(field)
    }
}
