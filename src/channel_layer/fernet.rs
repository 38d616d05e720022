//! `symmetric_encryption_keys`. Matches channels_redis 4.3, serializers.py, `make_fernet`, and cryptography 50,
//! fernet.py, `MultiFernet`.

use aws_lc_rs::{
    cipher::{
        AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
        UnboundCipherKey,
    },
    digest,
    error::Unspecified,
    hmac,
    iv::FixedLength,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};

use crate::secret::Secret;

/// `0x80`, the time of encryption and the initialisation vector.
const HEAD: usize = 1 + 8 + IV;
const IV: usize = 16;
const TAG: usize = 32;
/// `_MAX_CLOCK_SKEW`: how far in the future a token may be made, in seconds.
const MAX_CLOCK_SKEW: u64 = 60;

/// Why a token was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDecrypted {
    /// No key of ours made it.
    #[error("no key fits")]
    Invalid,
    /// It is older than the layer's `expiry`, or from the future.
    #[error("too old")]
    OutOfTime,
}

/// The keys: the first encrypts, any decrypts.
pub(super) struct Fernets(Vec<Fernet>);

struct Fernet {
    signing: hmac::Key,
    encrypting: PaddedBlockEncryptingKey,
    decrypting: PaddedBlockDecryptingKey,
}

impl Fernets {
    /// `None` without keys: nothing is encrypted.
    ///
    /// # Errors
    ///
    /// [`Unspecified`] never happens with keys of the right length, which these have.
    pub(super) fn new(keys: &[Secret]) -> Result<Option<Self>, Unspecified> {
        let fernets = keys.iter().map(Fernet::new).collect::<Result<Vec<_>, _>>()?;
        Ok((!fernets.is_empty()).then_some(Self(fernets)))
    }

    /// The token of `plain`, made at `now`, in seconds.
    pub(super) fn encrypt(&self, plain: &[u8], now: u64) -> Result<Vec<u8>, Unspecified> {
        let mut iv = [0; IV];
        aws_lc_rs::rand::fill(&mut iv)?;
        self.encrypt_with(plain, now, iv)
    }

    fn encrypt_with(&self, plain: &[u8], now: u64, iv: [u8; IV]) -> Result<Vec<u8>, Unspecified> {
        let first = self.0.first().ok_or(Unspecified)?;
        let mut cipher_text = plain.to_vec();
        first.encrypting.less_safe_encrypt(&mut cipher_text, EncryptionContext::Iv128(FixedLength::from(iv)))?;
        let mut token = Vec::with_capacity(HEAD + cipher_text.len() + TAG);
        token.push(0x80);
        token.extend(now.to_be_bytes());
        token.extend(iv);
        token.extend(cipher_text);
        let tag = hmac::sign(&first.signing, &token);
        token.extend(tag.as_ref());
        Ok(URL_SAFE.encode(token).into_bytes())
    }

    /// What `token` holds. `limit`: the greatest age and the time, in seconds.
    pub(super) fn decrypt(&self, token: &[u8], limit: Option<(u64, u64)>) -> Result<Vec<u8>, NotDecrypted> {
        let token = URL_SAFE.decode(token).map_err(|_| NotDecrypted::Invalid)?;
        if token.len() < HEAD + TAG || token[0] != 0x80 {
            return Err(NotDecrypted::Invalid);
        }
        let (signed, tag) = token.split_at(token.len() - TAG);
        let plain = self.0.iter().find_map(|fernet| fernet.decrypt(signed, tag)).ok_or(NotDecrypted::Invalid)?;
        if let (Some((age, now)), Some(time)) = (limit, signed[1..].first_chunk()) {
            let time = u64::from_be_bytes(*time);
            if time.saturating_add(age) < now || now.saturating_add(MAX_CLOCK_SKEW) < time {
                return Err(NotDecrypted::OutOfTime);
            }
        }
        Ok(plain)
    }
}

impl Fernet {
    fn new(key: &Secret) -> Result<Self, Unspecified> {
        let digest = digest::digest(&digest::SHA256, key.expose().as_bytes());
        let (signing, encrypting) = digest.as_ref().split_at(16);
        let cipher_key = || UnboundCipherKey::new(&AES_128, encrypting);
        Ok(Self {
            signing: hmac::Key::new(hmac::HMAC_SHA256, signing),
            encrypting: PaddedBlockEncryptingKey::cbc_pkcs7(cipher_key()?)?,
            decrypting: PaddedBlockDecryptingKey::cbc_pkcs7(cipher_key()?)?,
        })
    }

    fn decrypt(&self, signed: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
        hmac::verify(&self.signing, signed, tag).ok()?;
        let (head, cipher_text) = signed.split_at_checked(HEAD)?;
        let iv: [u8; IV] = *head.last_chunk()?;
        let mut text = cipher_text.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        self.decrypting.decrypt(&mut text, context).ok().map(|plain| plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::tests::{unhex, vectors};

    fn fernets(keys: &[&str]) -> Fernets {
        Fernets::new(&keys.iter().map(|key| Secret::new(*key)).collect::<Vec<_>>()).unwrap().unwrap()
    }

    #[test]
    fn tokens_are_python_s_to_the_byte() {
        for case in vectors("fernet")["cases"].as_array().unwrap() {
            let keys = case["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect::<Vec<_>>();
            let (fernets, plain) = (fernets(&keys), unhex(&case["plain_hex"]));
            let (time, iv) = (case["time"].as_u64().unwrap(), unhex(&case["iv_hex"]).try_into().unwrap());
            let token = case["token"].as_str().unwrap().as_bytes();
            assert_eq!(fernets.encrypt_with(&plain, time, iv).unwrap(), token, "{}", case["name"]);
            assert_eq!(fernets.decrypt(token, None), Ok(plain), "{}", case["name"]);
        }
    }

    #[test]
    fn any_of_the_keys_decrypts_and_no_other() {
        let token = fernets(&["old"]).encrypt(b"hi", 1000).unwrap();
        assert_eq!(fernets(&["new", "old"]).decrypt(&token, None), Ok(b"hi".to_vec()));
        assert_eq!(fernets(&["new"]).decrypt(&token, None), Err(NotDecrypted::Invalid));
        for broken in [&token[1..], &token[..token.len() - 4], b"", b"gAAA", &[b'A'; 200]] {
            assert_eq!(fernets(&["old"]).decrypt(broken, None), Err(NotDecrypted::Invalid));
        }
    }

    #[test]
    fn a_token_has_an_age_limit_where_there_is_one() {
        let (fernets, plain) = (fernets(&["k"]), b"".to_vec());
        let token = fernets.encrypt(&plain, 1000).unwrap();
        for (now, expected) in [(940, Ok(())), (939, Err(())), (1070, Ok(())), (1071, Err(()))] {
            let answer = fernets.decrypt(&token, Some((70, now)));
            assert_eq!(answer.map(|_| ()).map_err(|why| assert_eq!(why, NotDecrypted::OutOfTime)), expected, "{now}");
        }
        assert_eq!(fernets.decrypt(&token, None), Ok(plain));
        assert_eq!(
            fernets.decrypt(&fernets.encrypt(b"", u64::MAX).unwrap(), Some((70, 5))),
            Err(NotDecrypted::OutOfTime)
        );
    }

    #[test]
    fn without_keys_nothing_is_encrypted() {
        assert!(Fernets::new(&[]).unwrap().is_none());
    }
}
