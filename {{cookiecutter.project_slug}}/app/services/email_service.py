"""Emails: verification, password reset and notices, with single-use tokens."""

from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.background import Job
from app.core.email import render, send
from app.core.exceptions import InvalidEmailTokenError
from app.core.security import generate_token, hash_token
from app.db.base import utc_now
from app.models import EmailToken, User
from app.services.rate_limit_service import RateLimit, RateLimiter

Purpose = Literal["verify", "reset"]


class EmailService:
    """Emails of one request. They are collected in `outbox`, which the caller has to send.

    Above a rate limit, an email is skipped, and the request succeeds: a failure
    would reveal who is registered, and would keep owners from changing their account.
    """

    def __init__(self, db: AsyncSession, client_ip: str = "") -> None:
        self.db = db
        self.client_ip = client_ip  # empty for a command
        self.rate_limits = RateLimiter(db)
        self.outbox: list[Job] = []

    async def send_verification(self, user: User) -> None:
        """Send a verification email."""
        if await self.is_allowed(user.email):
            await self.send_token(user, "verify")

    async def send_password_changed(self, user: User) -> None:
        """Notify the user that the password was changed, perhaps by an attacker."""
        if user.is_verified and await self.is_allowed(user.email):
            self._send("password_changed", user.email, link=f"{settings.FRONTEND_URL}/forgot")

    async def send_email_changed(self, old_email: str) -> None:
        """Notify the old email, a verified one, that it was replaced, perhaps by an attacker."""
        if await self.is_allowed(old_email):
            self._send("email_changed", old_email)

    async def send_token(self, user: User, purpose: Purpose) -> None:
        """Send a new token. The caller must have counted the email.

        Earlier ones stay valid, so that a stranger who requests another cannot revoke them.
        """
        token = generate_token()
        self.db.add(
            EmailToken(
                token_hash=hash_token(token),
                user_id=user.id,
                purpose=purpose,
                email=user.email,
                expires_at=_expires_at(purpose),
            )
        )
        self._send(purpose, user.email, link=f"{settings.FRONTEND_URL}/{purpose}?token={token}")

    async def is_allowed(self, recipient: str) -> bool:
        """Count an email, whatever its kind; return whether both rate limits allow it."""
        attempts = (
            RateLimit.EMAIL_PER_IP.attempt(self.client_ip),
            RateLimit.EMAIL_PER_RECIPIENT.attempt(recipient),
        )
        return all([await self.rate_limits.try_consume(attempt) for attempt in attempts])

    async def get_user_by_token(self, token: str, purpose: Purpose, *, lock: bool = False) -> User:
        """Return the active user to whom the token was sent."""
        own = and_(EmailToken.user_id == User.id, EmailToken.email == User.email, User.is_active)
        users = select(User).join(EmailToken, own).where(_is_valid(token, purpose))
        if lock:
            users = users.with_for_update(of=User).execution_options(populate_existing=True)
        user = await self.db.scalar(users)
        if user is None:
            raise InvalidEmailTokenError
        return user

    async def redeem_token(self, token: str, purpose: Purpose) -> User:
        """Use up a token, and return its user. Only one of concurrent uses succeeds."""
        user = await self.get_user_by_token(token, purpose, lock=True)  # locks before it writes
        used = delete(EmailToken).where(_is_valid(token, purpose)).returning(EmailToken.user_id)
        if await self.db.scalar(used) is None:
            raise InvalidEmailTokenError
        return user

    async def revoke_tokens(self, user: User, *purposes: Purpose) -> None:
        """Revoke the tokens of the user for some purposes."""
        own = and_(EmailToken.user_id == user.id, EmailToken.purpose.in_(purposes))
        await self.db.execute(delete(EmailToken).where(own))

    async def purge(self) -> None:
        """Delete tokens that have expired."""
        await self.db.execute(delete(EmailToken).where(EmailToken.expires_at < utc_now()))

    def _send(self, template: str, recipient: str, **values: str) -> None:
        hours, minutes = settings.VERIFY_EXPIRE_HOURS, settings.RESET_EXPIRE_MINUTES
        message = render(template, recipient, hours=str(hours), minutes=str(minutes), **values)
        self.outbox.append(partial(send, message))


def _expires_at(purpose: Purpose) -> datetime:
    lifetimes: dict[Purpose, timedelta] = {
        "verify": timedelta(hours=settings.VERIFY_EXPIRE_HOURS),
        "reset": timedelta(minutes=settings.RESET_EXPIRE_MINUTES),
    }
    return utc_now() + lifetimes[purpose]


def _is_valid(token: str, purpose: Purpose) -> ColumnElement[bool]:
    return and_(
        EmailToken.token_hash == hash_token(token),
        EmailToken.purpose == purpose,
        EmailToken.expires_at > utc_now(),
    )
