"""Access tokens: signed, short-lived statements of who is asking (RFC 7519, RFC 8725)."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from jose import jwt
from pydantic import BaseModel, ConfigDict, Field

from app.config import settings
from app.core.exceptions import InvalidTokenError

LONGEST = 4096  # characters; the header is parsed before the signature is checked
LIFETIME = timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES)
REQUIRED = ("exp", "iat", "nbf", "sub", "jti", "iss", "aud", "typ")


class TokenPayload(BaseModel):
    """What an access token says, once it is believed."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")]
    typ: Literal["access"]
    exp: int
    iat: int
    nbf: int
    jti: str

    @property
    def user_id(self) -> int:
        """Return whose token it is."""
        return int(self.sub)


def create_access_token(user_id: int, lifetime: timedelta = LIFETIME) -> str:
    """Return a signed token of the user."""
    now = datetime.now(UTC)
    claims = {
        "iss": settings.PROJECT_NAME,
        "aud": settings.PROJECT_NAME,
        "sub": str(user_id),
        "typ": "access",
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, settings.SECRET_KEY.get_secret_value(), settings.ALGORITHM)


def read_access_token(token: str) -> TokenPayload:
    """Return what a token says.

    Raises:
        InvalidTokenError: if it is anything but a valid access token of this service.
    """
    try:
        return TokenPayload.model_validate(_decode(token))
    except Exception:  # noqa: BLE001 - python-jose lets TypeError, RecursionError and others out
        raise InvalidTokenError from None


def _decode(token: str) -> dict[str, Any]:
    if len(token) > LONGEST or "crit" in jwt.get_unverified_header(token):
        raise InvalidTokenError
    return jwt.decode(
        token,
        settings.SECRET_KEY.get_secret_value(),
        algorithms=[settings.ALGORITHM],
        audience=settings.PROJECT_NAME,
        issuer=settings.PROJECT_NAME,
        options={f"require_{claim}": True for claim in REQUIRED},
    )
