"""Tokens: JWT access tokens (RFC 7519, RFC 8725), and random tokens that are stored as hashes."""

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal

from jose import jws, jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.config import settings
from app.core.exceptions import InvalidTokenError
from app.core.ids import MAX_ID

RANDOM_LENGTH = 23  # characters of a refresh secret, 136 bits; 20 of its signature follow
MAX_JWT_LENGTH = 4096  # characters
CLOCK_LEEWAY = 10  # seconds that clocks of instances may differ (RFC 7519 §4.1.4, §4.1.5)


def generate_token() -> str:
    """Return 256 random bits, as 43 characters that fit into a URL."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the hash to store of a random token; 256 bits need no slow hash (ASVS 6.5.2)."""
    return sha256_hex(token)


def sha256_hex(text: str) -> str:
    """Return the SHA-256 digest of a text in hexadecimal."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _is_id(subject: str) -> str:
    if int(subject) > MAX_ID:
        message = "must be the id of a user"
        raise ValueError(message)
    return subject


class TokenPayload(BaseModel):
    """Claims of a verified access token."""

    model_config = ConfigDict(strict=True, frozen=True)

    iss: str
    aud: str
    sub: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$"), AfterValidator(_is_id)]
    sid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    typ: Literal["access"]
    exp: int
    iat: int
    nbf: int
    jti: str

    @property
    def user_id(self) -> int:
        """Id of the user."""
        return int(self.sub)


def access_token_lifetime() -> timedelta:
    """Return how long an access token is valid."""
    return timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES)


def create_access_token(user_id: int, session_id: str) -> str:
    """Return a signed JWT that belongs to a session of the user."""
    now = datetime.now(UTC)
    claims = {
        "iss": settings.PROJECT_NAME,
        "aud": settings.PROJECT_NAME,
        "sub": str(user_id),
        "sid": session_id,
        "typ": "access",
        "iat": now,
        "nbf": now,
        "exp": now + access_token_lifetime(),
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, _keys()[0], settings.ALGORITHM)


def verify_access_token(token: str) -> TokenPayload:
    """JWT verification: verify an access token and return its claims.

    Raises:
        InvalidTokenError: if it is anything but a valid access token of this service.
    """
    if len(token) > MAX_JWT_LENGTH or not token.startswith(HEADER):
        raise InvalidTokenError
    try:
        payload = _signed_claims(token, settings.ALGORITHM, *_keys())
    except Exception:  # noqa: BLE001 - python-jose also raises TypeError, RecursionError and others
        raise InvalidTokenError from None
    if not (payload.iss == payload.aud == settings.PROJECT_NAME):
        raise InvalidTokenError
    if not payload.nbf - CLOCK_LEEWAY <= time.time() < payload.exp + CLOCK_LEEWAY:
        raise InvalidTokenError
    return payload


@lru_cache(maxsize=1000)  # a client sends its token many times, and this is a tenth of a request
def _signed_claims(token: str, algorithm: str, *keys: str) -> TokenPayload:
    """Return the claims of a token that one of the keys has signed; it may have expired."""
    return TokenPayload.model_validate_json(jws.verify(token, keys, algorithm))


def generate_refresh_secret(session_id: str) -> str:
    """Return the secret of a refresh token, 43 characters: a random part and its signature.

    The signature tells a token that was replaced from one that somebody made up.
    """
    random = secrets.token_urlsafe(17)
    return random + _signature(_keys()[0], session_id, random)


def is_refresh_secret(session_id: str, secret: str) -> bool:
    """Return whether the secret was generated for the session, by any of the signing keys."""
    random, signature = secret[:RANDOM_LENGTH], secret[RANDOM_LENGTH:]
    signatures = [_signature(key, session_id, random) for key in _keys()]
    return any(secrets.compare_digest(signature, expected) for expected in signatures)


def _signature(key: str, session_id: str, random: str) -> str:
    digest = hmac.digest(key.encode(), f"refresh|{session_id}|{random}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:15]).decode()


def _keys() -> list[str]:
    """Key rotation: return the accepted signing keys; the first one signs new tokens."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [key.get_secret_value() for key in keys]


# The encoded header of every token. No other one is accepted: none is parsed before the signature
# is verified, and "alg", "crit", "jku" or "kid" cannot ask for anything.
HEADER = jwt.encode({}, "", settings.ALGORITHM).partition(".")[0] + "."
