"""The rules about mails and the links in them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.email import compose, send
from app.core.exceptions import InvalidMailTokenError
from app.core.secrets import fingerprint, new_secret
from app.db.base import utc_now
from app.models import MailToken, User

Purpose = Literal["verify", "reset"]
Job = tuple[Any, ...]  # a function and its arguments
Later = Callable[..., None]  # does a job after the commit, without letting a request wait

LIVES: dict[Purpose, timedelta] = {
    "verify": timedelta(hours=settings.VERIFY_EXPIRE_HOURS),
    "reset": timedelta(minutes=settings.RESET_EXPIRE_MINUTES),
}


class MailService:
    """Mails, as one request causes them."""

    def __init__(self, db: AsyncSession, later: Later) -> None:
        self.db = db
        self.later = later

    async def send_link(self, user: User, purpose: Purpose) -> None:
        """Send a link. It is good once, and takes the place of the one before."""
        token = new_secret()
        await self.revoke(user, purpose)
        link = MailToken(token_hash=fingerprint(token), purpose=purpose, user_id=user.id)
        link.email, link.expires_at = user.email, utc_now() + LIVES[purpose]
        self.db.add(link)
        self._send(purpose, user.email, link=f"{settings.FRONTEND_URL}/{purpose}?token={token}")

    async def find_owner(self, token: str, purpose: Purpose, *, lock: bool = False) -> User:
        """Return the user who was sent the link."""
        mine = and_(MailToken.user_id == User.id, MailToken.email == User.email, User.is_active)
        owner = select(User).join(MailToken, mine).where(_good(token, purpose))
        user = await self.db.scalar(owner.with_for_update(of=User) if lock else owner)
        if user is None:
            raise InvalidMailTokenError
        return user

    async def redeem(self, token: str, purpose: Purpose) -> User:
        """Return the user who was sent the link, and use it up."""
        user = await self.find_owner(token, purpose, lock=True)  # first, as every writer does
        use = delete(MailToken).where(_good(token, purpose)).returning(MailToken.user_id)
        if await self.db.scalar(use) is None:
            raise InvalidMailTokenError
        return user

    def tell_of_new_password(self, user: User) -> None:
        """Tell the user, who may not have been the one."""
        self._send("password_changed", user.email, link=f"{settings.FRONTEND_URL}/forgot")

    def tell_of_new_email(self, old_email: str) -> None:
        """Tell the address that is no longer in use."""
        self._send("email_changed", old_email)

    async def revoke(self, user: User, purpose: Purpose) -> None:
        """Make the links that were sent for a purpose worthless."""
        mine = and_(MailToken.user_id == user.id, MailToken.purpose == purpose)
        await self.db.execute(delete(MailToken).where(mine))

    async def purge(self) -> None:
        """Delete links that have expired."""
        await self.db.execute(delete(MailToken).where(MailToken.expires_at < utc_now()))

    def _send(self, name: str, recipient: str, **values: str) -> None:
        hours, minutes = settings.VERIFY_EXPIRE_HOURS, settings.RESET_EXPIRE_MINUTES
        message = compose(name, recipient, hours=str(hours), minutes=str(minutes), **values)
        self.later(send, message)


def _good(token: str, purpose: Purpose) -> ColumnElement[bool]:
    return and_(
        MailToken.token_hash == fingerprint(token),
        MailToken.purpose == purpose,
        MailToken.expires_at > utc_now(),
    )
