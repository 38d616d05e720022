"""Access tokens as SimpleJWT makes them, signed with the project's SECRET_KEY."""

import base64
import hashlib
import hmac
import json

SECRET_KEY = "contract-test-secret-key-not-for-production-0123456789"
YEAR_2100 = 4102444800


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def access_token(user_id, /, key=SECRET_KEY, **claims):
    """`user_id` goes in as text, as SimpleJWT writes it; `claims` replace or add."""
    payload = {"token_type": "access", "exp": YEAR_2100, "iat": 1704067200, "jti": "0123456789abcdef0123456789abcdef"}
    payload |= {"user_id": str(user_id)} | claims
    signed = _part(b'{"alg":"HS256","typ":"JWT"}') + b"." + _part(json.dumps(payload, separators=(",", ":")).encode())
    return (signed + b"." + _part(hmac.new(key.encode(), signed, hashlib.sha256).digest())).decode()


def bearer(user_id, /, **how):
    return ("Authorization", "Bearer " + access_token(user_id, **how))
