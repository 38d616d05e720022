# ---------------------------------------------------------------------------------------------------------------------
# languages
# ---------------------------------------------------------------------------------------------------------------------

# Every text that the ticket view may answer with: rest_framework/exceptions.py and authentication.py, then
# rest_framework_simplejwt's tokens.py, backends.py, authentication.py, exceptions.py.
TEXTS = (
    "A server error occurred.",
    "Malformed request.",
    "Incorrect authentication credentials.",
    "Authentication credentials were not provided.",
    "You do not have permission to perform this action.",
    "Not found.",
    'Method "{method}" not allowed.',
    "Could not satisfy the request Accept header.",
    'Unsupported media type "{media_type}" in request.',
    "Request was throttled.",
    "Expected available in {wait} second.",
    "Expected available in {wait} seconds.",
    "Invalid basic header. No credentials provided.",
    "Invalid basic header. Credentials string should not contain spaces.",
    "Invalid basic header. Credentials not correctly base64 encoded.",
    "Invalid username/password.",
    "User inactive or deleted.",
    "CSRF Failed: {reason}",
    "Authorization header must contain two space-delimited values",
    "Given token not valid for any token type",
    "Token contained no recognizable user identification",
    "User not found",
    "User is inactive",
    "The user's password has been changed.",
    "Cannot create token with no type or lifetime",
    "Token is invalid",
    "Token is expired",
    "Token is invalid or expired",
    "Token has no id",
    "Token has no type",
    "Token has wrong type",
    "Token has no '{}' claim",
    "Token '{}' claim has expired",
    "Token is blacklisted",
    "Invalid algorithm specified",
)


def languages(project):
    """What LocaleMiddleware chooses among, and the texts in each language, from Django's own catalogs."""
    from django.conf import settings
    from django.utils import translation

    codes = [code for code, _ in settings.LANGUAGES]
    texts = {}
    for code in dict.fromkeys([settings.LANGUAGE_CODE, *codes]) if settings.USE_I18N else ():
        with translation.override(code):
            translated = {text: translation.gettext(text) for text in TEXTS}
        texts[code] = {text: said for text, said in translated.items() if said != text}
    return {
        "language_code": settings.LANGUAGE_CODE,
        "use_i18n": settings.USE_I18N,
        "cookie_name": settings.LANGUAGE_COOKIE_NAME,
        "languages": codes,
        "texts": texts,
    }


