//! From a raw token to its claims.

use std::{fmt::Write as _, time::SystemTime};

use md5::{Digest, Md5};

use super::{
    AccessTokenOptions, Claims, ClassRefusal, KeyError, Message, Refusal, Step, Watch, jwks::Jwks, keys::VerifyingKey,
    raw_token, unverified::Unverified,
};
use crate::{
    python::{self, Value},
    user::{User, UserStore, UserStoreError},
};

/// Checks access tokens as SimpleJWT's `JWTAuthentication` does, with keys parsed once.
#[derive(Debug)]
pub(crate) struct Verifier {
    options: AccessTokenOptions,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    /// `SIGNING_KEY` (HS*) or `VERIFYING_KEY`.
    Fixed(Box<VerifyingKey>),
    /// `JWK_URL`.
    Jwks(Box<Jwks>),
}

/// A token was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// SimpleJWT refuses it, in these words.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// `JWK_URL` gave no keys, and none from before are left: nobody can tell whether the token is good.
    #[error("the keys of JWK_URL are not available")]
    KeysUnavailable,
    /// The blacklist could not be asked.
    #[error("the token blacklist could not be asked")]
    BlacklistUnavailable(#[source] UserStoreError),
}

impl Verifier {
    /// Parses the keys that `options` gives.
    ///
    /// # Errors
    ///
    /// [`KeyError`] where no token could ever be verified; its text names the setting.
    pub(crate) fn new(options: AccessTokenOptions) -> Result<Self, KeyError> {
        let algorithm = options.algorithm;
        let keys = match (&options.jwk_url, &options.verifying_key) {
            _ if algorithm.is_symmetric() => {
                Keys::Fixed(Box::new(VerifyingKey::from_secret(&options.signing_key, algorithm)?))
            }
            (Some(url), _) if !url.is_empty() => {
                Keys::Jwks(Box::new(Jwks::new(url, algorithm, options.jwks_stale_for)?))
            }
            (_, Some(key)) => Keys::Fixed(Box::new(VerifyingKey::from_text(key, algorithm)?)),
            (_, None) => return Err(KeyError::Missing { algorithm: algorithm.name(), setting: "VERIFYING_KEY" }),
        };
        Ok(Self { options, keys })
    }

    /// With keys from elsewhere than `JWK_URL`.
    #[cfg(test)]
    pub(super) fn with_jwks(options: AccessTokenOptions, jwks: Jwks) -> Self {
        Self { options, keys: Keys::Jwks(Box::new(jwks)) }
    }

    /// The settings it checks by.
    pub(crate) const fn options(&self) -> &AccessTokenOptions {
        &self.options
    }

    /// The token in the header `AUTH_HEADER_NAME`; see [`raw_token`].
    ///
    /// # Errors
    ///
    /// [`Refusal::BadAuthorizationHeader`].
    pub(crate) fn raw_token<'a>(&self, header: Option<&'a [u8]>) -> Result<Option<&'a [u8]>, Refusal> {
        header.map_or(Ok(None), |header| raw_token(header, &self.options.auth_header_types))
    }

    /// The claims of `raw`, if a class of `AUTH_TOKEN_CLASSES` takes it at the time `now`.
    ///
    /// Matches SimpleJWT 5.5.1, authentication.py, `JWTAuthentication.get_validated_token`.
    ///
    /// # Errors
    ///
    /// [`TokenError::Refused`] with what each class said; the other two where something did not answer.
    pub(crate) async fn verify(
        &self,
        raw: &[u8],
        now: SystemTime,
        users: &dyn UserStore,
    ) -> Result<Claims, TokenError> {
        self.verify_watched(raw, now, users, &mut ()).await
    }

    /// [`verify`](Self::verify), with somebody who is told each step.
    pub(crate) async fn verify_watched(
        &self,
        raw: &[u8],
        now: SystemTime,
        users: &dyn UserStore,
        watch: &mut impl Watch,
    ) -> Result<Claims, TokenError> {
        let claims = match self.decode(raw, now, watch).await? {
            Ok(claims) => claims,
            Err(message) => return Err(self.refuse(|_| message).into()),
        };
        let mut messages = Vec::new();
        for class in &self.options.token_classes {
            let mut listed = Ok(());
            if class.checks_blacklist {
                listed = self.check_blacklist(&claims, users).await?;
                watch.saw(Step::Blacklist { class, result: listed });
            }
            let result = listed.and_then(|()| claims.verify(&self.options, class));
            watch.saw(Step::Class { class, result });
            match result {
                Ok(()) => return Ok(claims),
                Err(message) => messages.push(message),
            }
        }
        Err(self.refuse(|index| messages[index]).into())
    }

    /// What every class does first: signature and times. The classes cannot differ here.
    async fn decode(
        &self,
        raw: &[u8],
        now: SystemTime,
        watch: &mut impl Watch,
    ) -> Result<Result<Claims, Message>, TokenError> {
        let token = Unverified::parse(raw);
        watch.saw(Step::Form(token.is_some()));
        let Some(token) = token else { return Ok(Err(Message::Invalid)) };
        let expected = self.options.algorithm.name();
        watch.saw(Step::Algorithm { found: token.alg.as_deref(), expected });
        if token.alg.as_deref() != Some(expected) {
            return Ok(Err(Message::Invalid));
        }
        match &self.keys {
            Keys::Fixed(key) => {
                let is_shared = self.options.algorithm.is_symmetric();
                let setting = if is_shared { "SIGNING_KEY" } else { "VERIFYING_KEY" };
                watch.saw(Step::Key { setting, found: true });
                Ok(self.check(&token, key, now, watch))
            }
            Keys::Jwks(jwks) => {
                let setting = "JWK_URL";
                // PyJWT reads the payload before it looks for the key, so that garbage fetches nothing.
                let (Some(_), Some(kid)) = (Claims::parse(&token.payload), &token.kid) else {
                    watch.saw(Step::Key { setting, found: false });
                    return Ok(Err(Message::Invalid));
                };
                let key = jwks.key(kid).await.map_err(|_| TokenError::KeysUnavailable)?;
                watch.saw(Step::Key { setting, found: key.is_some() });
                let Some(key) = key else { return Ok(Err(Message::Invalid)) };
                Ok(self.check(&token, &key, now, watch))
            }
        }
    }

    fn check(
        &self,
        token: &Unverified<'_>,
        key: &VerifyingKey,
        now: SystemTime,
        watch: &mut impl Watch,
    ) -> Result<Claims, Message> {
        let is_good = key.verify(token.signing_input, &token.signature);
        watch.saw(Step::Signature(is_good));
        if !is_good {
            return Err(Message::Invalid);
        }
        let claims = Claims::parse(&token.payload);
        watch.saw(Step::Payload(claims.is_some()));
        let claims = claims.ok_or(Message::Invalid)?;
        claims.validate(&self.options, now, watch)?;
        Ok(claims)
    }

    /// Matches SimpleJWT, tokens.py, `BlacklistMixin.check_blacklist`. A token without id, or with one that no database
    /// takes, ends in 500 there.
    async fn check_blacklist(&self, claims: &Claims, users: &dyn UserStore) -> Result<Result<(), Message>, TokenError> {
        let Some(jti) = self.options.jti_claim.as_ref().and_then(|name| claims.get(name)) else {
            return Ok(Err(Message::NoId));
        };
        let Some(jti) = python::str(jti) else { return Ok(Err(Message::Invalid)) };
        match users.is_blacklisted(&jti).await {
            Ok(false) => Ok(Ok(())),
            Ok(true) => Ok(Err(Message::Blacklisted)),
            Err(UserStoreError::Unconvertible) => Ok(Err(Message::Invalid)),
            Err(error) => Err(TokenError::BlacklistUnavailable(error)),
        }
    }

    fn refuse(&self, message: impl Fn(usize) -> Message) -> Refusal {
        let classes = self.options.token_classes.iter().enumerate();
        Refusal::NotValid(
            classes
                .map(|(index, class)| ClassRefusal {
                    token_class: class.name.clone(),
                    token_type: class.token_type_shown.clone(),
                    message: message(index),
                })
                .collect(),
        )
    }

    /// The claim `USER_ID_CLAIM`, of any type.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoUserIdentification`] where the token has none.
    pub(crate) fn user_id<'a>(&self, claims: &'a Claims) -> Result<&'a Value, Refusal> {
        claims.get(&self.options.user_id_claim).ok_or(Refusal::NoUserIdentification)
    }

    /// Whether `user` may act on this token: active, and with the password that the token was issued for.
    ///
    /// Matches SimpleJWT, authentication.py, the end of `JWTAuthentication.get_user`.
    ///
    /// # Errors
    ///
    /// [`Refusal::UserInactive`], [`Refusal::PasswordChanged`].
    pub(crate) fn check_user(&self, claims: &Claims, user: &User) -> Result<(), Refusal> {
        if self.options.check_user_is_active && !user.is_active {
            return Err(Refusal::UserInactive);
        }
        if self.options.check_revoke_token {
            let claim = claims.get(&self.options.revoke_token_claim).and_then(Value::as_str);
            if claim != Some(md5_hash_password(user.password.expose()).as_str()) {
                return Err(Refusal::PasswordChanged);
            }
        }
        Ok(())
    }
}

/// MD5 of the stored password, as `REVOKE_TOKEN_CLAIM` has it.
pub(crate) fn password_digest(password: &str) -> [u8; 16] {
    Md5::digest(password).into()
}

/// MD5 of the stored password in upper-case hexadecimal. Matches SimpleJWT, utils.py, `get_md5_hash_password`.
pub(super) fn md5_hash_password(password: &str) -> String {
    password_digest(password).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}
