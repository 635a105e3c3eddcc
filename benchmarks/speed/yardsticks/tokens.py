"""The tokens and passwords of the service, as directly as its libraries allow."""

import asyncio
import hashlib
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from jose import jwt
from passlib.context import CryptContext
from yardsticks.storage import ENV, LOGIN, REFRESH, USER, storage

NAME, KEY = str(ENV["PROJECT_NAME"]), str(ENV["SECRET_KEY"])
LIFETIME = timedelta(minutes=30)
REQUIRED = {f"require_{name}": True for name in ("exp", "iat", "nbf", "sub", "aud", "iss")}

passwords = CryptContext(schemes=["argon2"])
executor = ThreadPoolExecutor(1)


class RejectedError(Exception):
    """Wrong token, email or password."""


def authenticate(authorization: str) -> tuple[str, int, datetime]:
    """Return session id, user id and the current time: the parameters of every query.

    Raises:
        RejectedError: if the access token is not valid.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise RejectedError
    try:
        claims = jwt.decode(token, KEY, ["HS256"], REQUIRED, audience=NAME, issuer=NAME)
    except jwt.JWTError:
        raise RejectedError from None
    return claims["sid"], int(claims["sub"]), datetime.now(UTC)


async def log_in(email: str, password: str) -> dict[str, object]:
    """Verify a password, and return the tokens of a new session."""
    users = await storage.fetch(USER, email)
    if not users:
        raise RejectedError
    hashed = users[0]["hashed_password"]
    verify = asyncio.get_running_loop().run_in_executor
    if not await verify(executor, passwords.verify, password, hashed):
        raise RejectedError
    now, session, secret = datetime.now(UTC), secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    expiry = (now + timedelta(days=30), now + timedelta(days=7))
    user_id = users[0]["id"]
    await storage.fetch(LOGIN, session, user_id, digest(secret), *expiry, now)
    return pair(user_id, session, secret)


async def refresh(token: str) -> dict[str, object]:
    """Return the next pair of tokens of a session."""
    session, _, secret = token.partition(".")
    now, following = datetime.now(UTC), secrets.token_urlsafe(32)
    values = (digest(secret), digest(following), now + timedelta(days=7), now)
    rows = await storage.fetch(REFRESH, session, *values)
    if not rows:
        raise RejectedError
    return pair(rows[0]["user_id"], session, following)


def pair(user_id: int, session: str, secret: str) -> dict[str, object]:
    """Return a pair of tokens."""
    now = datetime.now(UTC)
    claims = {"iss": NAME, "aud": NAME, "sub": str(user_id), "sid": session, "typ": "access"}
    times = {"iat": now, "nbf": now, "exp": now + LIFETIME, "jti": uuid.uuid4().hex}
    return {
        "access_token": jwt.encode(claims | times, KEY, "HS256"),
        "token_type": "bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "refresh_token": f"{session}.{secret}",
    }


def digest(secret: str) -> str:
    """Return the hash of a refresh token."""
    return hashlib.sha256(secret.encode()).hexdigest()
