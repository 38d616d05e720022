//! `SIMPLE_JWT`, as far as checking an access token needs it.

use std::time::Duration;

use crate::secret::Secret;

/// `SIMPLE_JWT`. Defaults are SimpleJWT's own.
#[derive(Clone, Debug)]
pub(crate) struct AccessTokenOptions {
    /// `ALGORITHM`. Default: HS256.
    pub(crate) algorithm: Algorithm,
    /// `SIGNING_KEY`. Default: Django's `SECRET_KEY`. Verifies HS* tokens; signs those that `demo` makes.
    pub(crate) signing_key: Secret,
    /// `VERIFYING_KEY`: PEM, for every algorithm but HS*. Empty or absent: none.
    pub(crate) verifying_key: Option<Secret>,
    /// `JWK_URL`. Wins over `VERIFYING_KEY`; ignored with HS*.
    pub(crate) jwk_url: Option<String>,
    /// `AUDIENCE`. Default: `None`, not checked.
    pub(crate) audience: Option<OneOrMany>,
    /// `ISSUER`. Default: `None`, not checked.
    pub(crate) issuer: Option<OneOrMany>,
    /// `LEEWAY`: clock difference allowed when `exp`, `nbf` and `iat` are checked. Default: 0 (jsonwebtoken's own is 60 s).
    pub(crate) leeway: Duration,
    /// `AUTH_HEADER_TYPES`. Default: `("Bearer",)`. The first is in the challenge.
    pub(crate) auth_header_types: Vec<String>,
    /// `AUTH_HEADER_NAME`, as in WSGI's environ. Default: `HTTP_AUTHORIZATION`.
    pub(crate) auth_header_name: String,
    /// `USER_ID_CLAIM`. Default: `user_id`.
    pub(crate) user_id_claim: String,
    /// `AUTH_TOKEN_CLASSES`, tried in order. Default: `AccessToken` alone.
    pub(crate) token_classes: Vec<TokenClass>,
    /// `TOKEN_TYPE_CLAIM`. Default: `token_type`; `None` checks no type.
    pub(crate) token_type_claim: Option<String>,
    /// `JTI_CLAIM`. Default: `jti`; `None` asks for no id.
    pub(crate) jti_claim: Option<String>,
    /// `CHECK_REVOKE_TOKEN`. Default: false.
    pub(crate) check_revoke_token: bool,
    /// `REVOKE_TOKEN_CLAIM`. Default: `hash_password`.
    pub(crate) revoke_token_claim: String,
    /// `CHECK_USER_IS_ACTIVE`. Default: true.
    pub(crate) check_user_is_active: bool,
    /// How long the last good JWKS serves on when its URL does not answer. Default: one day.
    pub(crate) jwks_stale_for: Duration,
}

impl Default for AccessTokenOptions {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Hs256,
            signing_key: Secret::default(),
            verifying_key: None,
            jwk_url: None,
            audience: None,
            issuer: None,
            leeway: Duration::ZERO,
            auth_header_types: vec!["Bearer".to_owned()],
            auth_header_name: "HTTP_AUTHORIZATION".to_owned(),
            user_id_claim: "user_id".to_owned(),
            token_classes: vec![TokenClass::default()],
            token_type_claim: Some("token_type".to_owned()),
            jti_claim: Some("jti".to_owned()),
            check_revoke_token: false,
            revoke_token_claim: "hash_password".to_owned(),
            check_user_is_active: true,
            jwks_stale_for: Duration::from_hours(24),
        }
    }
}

/// `AUDIENCE` and `ISSUER`: PyJWT compares a text and a list in different ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// One entry of `AUTH_TOKEN_CLASSES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenClass {
    /// The class's `__name__`, as `token_class` in the error body shows it.
    pub(crate) name: String,
    /// The class attribute `token_type`; `None` for `UntypedToken`, which skips the check of the type.
    pub(crate) token_type: Option<String>,
    /// The text of `token_type` in the error body (`untyped` for `UntypedToken`).
    pub(crate) token_type_shown: String,
    /// Whether the class looks up the blacklist (a `BlacklistMixin`, with the blacklist app installed).
    pub(crate) checks_blacklist: bool,
}

impl Default for TokenClass {
    fn default() -> Self {
        Self {
            name: "AccessToken".to_owned(),
            token_type: Some("access".to_owned()),
            token_type_shown: "access".to_owned(),
            checks_blacklist: false,
        }
    }
}

/// `ALGORITHM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es256k,
    Es384,
    Es512,
    /// PyJWT's other name for `Es512`.
    Es521,
    /// Ed25519 or Ed448, by the key.
    EdDsa,
}

impl Algorithm {
    const ALL: [(Self, &'static str); 15] = [
        (Self::Hs256, "HS256"),
        (Self::Hs384, "HS384"),
        (Self::Hs512, "HS512"),
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Es256, "ES256"),
        (Self::Es256k, "ES256K"),
        (Self::Es384, "ES384"),
        (Self::Es512, "ES512"),
        (Self::Es521, "ES521"),
        (Self::EdDsa, "EdDSA"),
    ];

    /// The algorithm that PyJWT calls `name`; case counts.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(algorithm, _)| *algorithm)
    }

    /// PyJWT's name, as in the token's `alg`.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(algorithm, _)| *algorithm == self).map_or("", |(_, name)| name)
    }

    /// Whether the key is a shared secret (HS*).
    pub(crate) const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}
