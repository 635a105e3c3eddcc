"""Access tokens: signed, short-lived statements of who is asking (RFC 7519, RFC 8725)."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from jose import jws, jwt
from jose.exceptions import JWSError
from pydantic import BaseModel, ConfigDict, Field

from app.config import Settings, settings
from app.core.exceptions import InvalidTokenError

LONGEST = 4096  # characters; the header is parsed before the signature is checked
LIFETIME = timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES)
REQUIRED = ("exp", "iat", "nbf", "sub", "sid", "jti", "iss", "aud", "typ")


def keys(settings: Settings) -> list[str]:
    """Return the keys that tokens may be signed with, the one that signs new ones first."""
    return [key.get_secret_value() for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


KEYS = keys(settings)


class TokenPayload(BaseModel):
    """What an access token says, once it is believed."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")]
    sid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    typ: Literal["access"]
    exp: int
    iat: int
    nbf: int
    jti: str

    @property
    def user_id(self) -> int:
        """Return whose token it is."""
        return int(self.sub)


def create_access_token(user_id: int, session_id: str, lifetime: timedelta = LIFETIME) -> str:
    """Return a signed token of a session of the user."""
    now = datetime.now(UTC)
    claims = {
        "iss": settings.PROJECT_NAME,
        "aud": settings.PROJECT_NAME,
        "sub": str(user_id),
        "sid": session_id,
        "typ": "access",
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, KEYS[0], settings.ALGORITHM)


def read_access_token(token: str) -> TokenPayload:
    """Return what a token says.

    Raises:
        InvalidTokenError: if it is anything but a valid access token of this service.
    """
    try:
        return TokenPayload.model_validate(_decode(token))
    except Exception:  # noqa: BLE001 - python-jose lets TypeError, RecursionError and others out
        raise InvalidTokenError from None


def _key_of(token: str) -> str:
    """Return the key that has signed the token; the oldest if none has, which will be noticed."""
    for key in KEYS[:-1]:
        with suppress(JWSError):
            jws.verify(token, key, settings.ALGORITHM)
            return key
    return KEYS[-1]


def _decode(token: str) -> dict[str, Any]:
    if len(token) > LONGEST or "crit" in jwt.get_unverified_header(token):
        raise InvalidTokenError
    return jwt.decode(
        token,
        _key_of(token),
        algorithms=[settings.ALGORITHM],
        audience=settings.PROJECT_NAME,
        issuer=settings.PROJECT_NAME,
        options={f"require_{claim}": True for claim in REQUIRED},
    )
