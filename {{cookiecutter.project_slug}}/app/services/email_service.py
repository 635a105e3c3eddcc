"""Emails: verification, password reset and notices, most of them with a single-use token."""

from datetime import datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.background import Job
from app.core.email import render, send
from app.core.exceptions import InvalidEmailTokenError
from app.core.security import generate_token, hash_token
from app.db.base import utc_now
from app.models import EmailToken, User
from app.services.rate_limit_service import RateLimit, RateLimiter

Purpose = Literal["verify", "reset", "undo"]
# What must be true of a user and the email to which the token was sent. A former email can undo.
RECIPIENTS: dict[Purpose, ColumnElement[bool]] = {
    "verify": and_(
        or_(EmailToken.email == User.email, EmailToken.email == User.pending_email), User.is_active
    ),
    "reset": and_(EmailToken.email == User.email, User.is_active),
    "undo": true(),
}


class RedeemedToken(NamedTuple):
    """A token that was used: its user, and the email to which it was sent."""

    user: User
    email: str
    expires_at: datetime


class EmailService:
    """Emails of one request. They are collected in `outbox`, which the caller has to send.

    Above a rate limit, an email is skipped, and the request succeeds: a failure
    would reveal who is registered, and would keep owners from changing their account.
    Notices are counted by themselves: other emails, which anybody can request, must not
    suppress them.
    """

    def __init__(self, db: AsyncSession, client_ip: str = "") -> None:
        self.db = db
        self.client_ip = client_ip  # empty for a command
        self.rate_limits = RateLimiter(db)
        self.outbox: list[Job] = []

    async def send_verification(self, user: User) -> None:
        """Send a verification email to the email of the user, the pending one if there is one."""
        email = user.pending_email or user.email
        if await self.try_consume(email):
            await self.send_token(user, "verify", email)

    async def notify_of_password(self, user: User) -> None:
        """Notify the user that the password was changed, perhaps by an attacker."""
        if await self._try_consume_notice(user, "password"):
            self._send("password_changed", user.email, link=f"{settings.FRONTEND_URL}/forgot")

    async def notify_of_new_email(self, user: User) -> None:
        """Notify the user of a new email, perhaps of an attacker, with a token to undo it.

        Twice: when it is entered, and when it takes effect, which may be any time later.
        """
        if await self._try_consume_notice(user, "email"):
            await self.send_token(user, "undo", user.email)

    async def send_token(self, user: User, purpose: Purpose, email: str) -> None:
        """Send a new token. The caller must have counted the email.

        Earlier ones stay valid, so that a stranger who requests another cannot revoke them.
        """
        token, lifetime = generate_token(), _lifetime(purpose)
        self.db.add(
            EmailToken(
                token_hash=hash_token(token),
                user_id=user.id,
                purpose=purpose,
                email=email,
                expires_at=utc_now() + lifetime,
            )
        )
        hours, minutes = lifetime // timedelta(hours=1), lifetime // timedelta(minutes=1)
        link = f"{settings.FRONTEND_URL}/{purpose}?token={token}"
        self._send(purpose, email, link=link, hours=str(hours), minutes=str(minutes))

    async def try_consume(self, recipient: str) -> bool:
        """Count a verification or reset email; return whether both rate limits allow it.

        One that the first does not allow is not counted by the second: a stranger
        would use up the emails of the recipient without sending any.
        """
        return await self.try_consume_per_ip() and await self.try_consume_per_recipient(recipient)

    async def try_consume_per_ip(self) -> bool:
        """Count an email of the client IP; return whether the rate limit allows it."""
        return await self.rate_limits.try_consume(RateLimit.EMAIL_PER_IP.attempt(self.client_ip))

    async def try_consume_per_recipient(self, recipient: str) -> bool:
        """Count an email to a recipient; return whether the rate limit allows it."""
        return await self.rate_limits.try_consume(RateLimit.EMAIL_PER_RECIPIENT.attempt(recipient))

    async def get_user_by_token(self, token: str, purpose: Purpose, *, lock: bool = False) -> User:
        """Return the user to whom the token was sent."""
        own = and_(EmailToken.user_id == User.id, RECIPIENTS[purpose])
        users = select(User).join(EmailToken, own).where(_is_valid(token, purpose))
        if lock:
            users = users.with_for_update(of=User).execution_options(populate_existing=True)
        user = await self.db.scalar(users)
        if user is None:
            raise InvalidEmailTokenError
        return user

    async def redeem_token(self, token: str, purpose: Purpose) -> RedeemedToken:
        """Use up a token. Only one of concurrent uses succeeds."""
        user = await self.get_user_by_token(token, purpose, lock=True)  # locks before it writes
        used = delete(EmailToken).where(_is_valid(token, purpose))
        found = await self.db.execute(used.returning(EmailToken.email, EmailToken.expires_at))
        if (row := found.one_or_none()) is None:
            raise InvalidEmailTokenError
        return RedeemedToken(user, row.email, row.expires_at)

    async def revoke_tokens(self, user: User, *purposes: Purpose) -> None:
        """Revoke the tokens of the user for some purposes."""
        own = and_(EmailToken.user_id == user.id, EmailToken.purpose.in_(purposes))
        await self.db.execute(delete(EmailToken).where(own))

    async def revoke_undo_tokens(self, user: User, *, since: datetime) -> None:
        """Revoke the undo tokens that expire at this time or later: those of later changes."""
        own = and_(EmailToken.user_id == user.id, EmailToken.purpose == "undo")
        await self.db.execute(delete(EmailToken).where(own, EmailToken.expires_at >= since))

    async def purge(self) -> None:
        """Delete tokens that have expired."""
        await self.db.execute(delete(EmailToken).where(EmailToken.expires_at < utc_now()))

    async def _try_consume_notice(self, user: User, kind: str) -> bool:
        """Count a notice, which only a verified email gets; return whether the limit allows it."""
        attempt = RateLimit.EMAIL_PER_RECIPIENT.attempt(user.email, kind)
        return user.is_verified and await self.rate_limits.try_consume(attempt)

    def _send(self, template: str, recipient: str, **values: str) -> None:
        self.outbox.append(partial(send, render(template, recipient, **values)))


def _lifetime(purpose: Purpose) -> timedelta:
    lifetimes: dict[Purpose, timedelta] = {
        "verify": timedelta(hours=settings.VERIFY_EXPIRE_HOURS),
        "reset": timedelta(minutes=settings.RESET_EXPIRE_MINUTES),
        "undo": timedelta(hours=settings.UNDO_EXPIRE_HOURS),
    }
    return lifetimes[purpose]


def _is_valid(token: str, purpose: Purpose) -> ColumnElement[bool]:
    return and_(
        EmailToken.token_hash == hash_token(token),
        EmailToken.purpose == purpose,
        EmailToken.expires_at > utc_now(),
    )
