"""The rules about logins that are still good."""

import re
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.exceptions import InvalidRefreshTokenError, InvalidTokenError, SessionNotFoundError
from app.core.secrets import fingerprint, new_secret
from app.core.security import LIFETIME, TokenPayload, create_access_token
from app.db.base import utc_now
from app.models import Session, User
from app.schemas.auth import TokenRead

IDLE = timedelta(days=settings.SESSION_IDLE_DAYS)
ABSOLUTE = timedelta(days=settings.SESSION_EXPIRE_DAYS)
TOKEN = re.compile(r"[\w-]{43}\.[\w-]{43}", re.ASCII)
ACTIVE = select(User.id).where(User.is_active)


class SessionService:
    """Sessions. An access token names one; a refresh token is its id, a dot and a secret."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def open(self, user_id: int) -> TokenRead:
        """Begin a session, and return its first pair of tokens."""
        now, secret = utc_now(), new_secret()
        session = Session(id=new_secret(), user_id=user_id, refresh_hash=fingerprint(secret))
        session.expires_at, session.idle_at = now + ABSOLUTE, now + IDLE
        self.db.add(session)
        await self.db.flush()
        return _pair(user_id, session.id, secret)

    async def refresh(self, token: str) -> TokenRead:
        """Return the next pair of tokens. A token that was used before ends its session.

        One statement checks and renews, so that one of many who use a token at once wins.
        """
        if not TOKEN.fullmatch(token):
            raise InvalidRefreshTokenError
        session_id, _, secret = token.partition(".")
        successor = new_secret()
        known = and_(Session.id == session_id, Session.refresh_hash == fingerprint(secret))
        renew = update(Session).where(known, _alive(), Session.user_id.in_(ACTIVE))
        new = {"refresh_hash": fingerprint(successor), "idle_at": utc_now() + IDLE}
        user_id = await self.db.scalar(renew.values(new).returning(Session.user_id))
        if user_id is None:
            await self.db.execute(delete(Session).where(Session.id == session_id))
            await self.db.commit()  # or the error below would take it back
            raise InvalidRefreshTokenError
        return _pair(user_id, session_id, successor)

    async def get_user(self, token: TokenPayload) -> User:
        """Return the active user of a session that is alive: one query for each request."""
        users = select(User).join(Session, Session.user_id == User.id)
        mine = and_(Session.id == token.sid, User.id == token.user_id, User.is_active)
        user = await self.db.scalar(users.where(mine, _alive()))
        if user is None:
            raise InvalidTokenError
        return user

    async def get_many(self, user: User) -> list[Session]:
        """Return the sessions of a user, newest first."""
        mine = select(Session).where(Session.user_id == user.id, _alive())
        return list(await self.db.scalars(mine.order_by(Session.created_at.desc())))

    async def end(self, user: User, session_id: str) -> None:
        """End a session of the user, with all its tokens."""
        mine = and_(Session.id == session_id, Session.user_id == user.id)
        ended = await self.db.scalar(delete(Session).where(mine).returning(Session.id))
        if ended is None:
            raise SessionNotFoundError

    async def log_out(self, session_id: str) -> None:
        """End a session, or find that it has ended already."""
        await self.db.execute(delete(Session).where(Session.id == session_id))

    async def end_all(self, user: User) -> None:
        """End every session of the user."""
        await self.db.execute(delete(Session).where(Session.user_id == user.id))

    async def purge(self) -> None:
        """Delete sessions that are over."""
        await self.db.execute(delete(Session).where(~_alive()))


def _alive() -> ColumnElement[bool]:
    now = utc_now()
    return and_(Session.expires_at > now, Session.idle_at > now)


def _pair(user_id: int, session_id: str, secret: str) -> TokenRead:
    return TokenRead(
        access_token=create_access_token(user_id, session_id),
        expires_in=int(LIFETIME.total_seconds()),
        refresh_token=f"{session_id}.{secret}",
    )
