# ---------------------------------------------------------------------------------------------------------------------
# simple_jwt
# ---------------------------------------------------------------------------------------------------------------------


def simple_jwt(project):
    """SimpleJWT's `api_settings`, as far as checking an access token reads them."""
    from rest_framework_simplejwt import exceptions
    from rest_framework_simplejwt.settings import api_settings

    unsupported = []
    found = {"unsupported": unsupported}
    for name in (
        "algorithm jwk_url auth_header_name user_id_field user_id_claim token_type_claim jti_claim "
        "check_revoke_token revoke_token_claim check_user_is_active access_token_lifetime"
    ).split():
        found[name] = getattr(api_settings, name.upper(), SIMPLE_JWT_SINCE.get(name))
    # A private key signs only, and stays where it is.
    symmetric = str(api_settings.ALGORITHM).startswith("HS")
    found["signing_key"] = key_text(api_settings.SIGNING_KEY, "signing_key", unsupported) if symmetric else None
    found["verifying_key"] = key_text(api_settings.VERIFYING_KEY, "verifying_key", unsupported)
    for name in ("audience", "issuer"):
        found[name] = one_or_many(getattr(api_settings, name.upper()))
    leeway = api_settings.LEEWAY or 0
    found["leeway"] = leeway.total_seconds() if hasattr(leeway, "total_seconds") else leeway
    types_ = api_settings.AUTH_HEADER_TYPES
    found["auth_header_types"] = list(types_) if isinstance(types_, (list, tuple)) else [types_]
    found["auth_token_classes"] = [token_class(cls, unsupported) for cls in api_settings.AUTH_TOKEN_CLASSES]
    if not hasattr(exceptions, "ExpiredTokenError"):
        unsupported.append(
            "this version of SimpleJWT answers 'Token is invalid or expired' where 5.5 distinguishes the two"
        )
    return found


# Settings that older versions do not have, with what those versions do.
SIMPLE_JWT_SINCE = {"check_revoke_token": False, "revoke_token_claim": "hash_password", "check_user_is_active": True}


def key_text(key, name, unsupported):
    if key is None or isinstance(key, (str, bytes)):
        return plain(key)
    with contextlib.suppress(TypeError):
        return plain(key)
    unsupported.append("SIMPLE_JWT's %s is an object of type %s, not text" % (name.upper(), path_of(type(key))))
    return None


def token_class(cls, unsupported):
    from django.apps import apps
    from rest_framework_simplejwt import tokens

    own = [tokens.AccessToken, tokens.RefreshToken, tokens.SlidingToken, tokens.UntypedToken, tokens.Token]
    base = next((known for known in own if issubclass(cls, known)), None)
    if base is None:
        unsupported.append("%s is no token class of SimpleJWT" % path_of(cls))
    else:
        declared = {"token_type", "lifetime", "no_copy_claims", "access_token_class"}
        replaced = overridden(cls, base, declared | {"for_user", "set_exp", "set_iat", "set_jti", "outstand"})
        blacklisting = [] if base in (tokens.RefreshToken, tokens.SlidingToken) else ["check_blacklist", "verify"]
        if issubclass(cls, tokens.BlacklistMixin):
            replaced = [name for name in replaced if name not in blacklisting or not from_mixin(cls, name)]
        unsupported.extend("%s overrides %s()" % (path_of(cls), name) for name in replaced)
    untyped = getattr(cls, "verify_token_type", None) is tokens.UntypedToken.verify_token_type
    token_type = getattr(cls, "token_type", None)
    installed = apps.is_installed("rest_framework_simplejwt.token_blacklist")
    return {
        "name": cls.__name__,
        "path": path_of(cls),
        "token_type": None if untyped else token_type,
        "token_type_shown": str(token_type),
        "checks_blacklist": installed and issubclass(cls, tokens.BlacklistMixin),
    }


def from_mixin(cls, name):
    from rest_framework_simplejwt.tokens import BlacklistMixin

    owner = next((part for part in cls.__mro__ if name in vars(part)), None)
    return owner is BlacklistMixin


