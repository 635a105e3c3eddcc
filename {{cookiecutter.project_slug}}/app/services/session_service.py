"""User sessions: create, refresh with rotation, list and end them."""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.client import COMMAND, Client
from app.core.exceptions import InvalidRefreshTokenError, InvalidTokenError, SessionNotFoundError
from app.core.security import (
    TokenPayload,
    access_token_lifetime,
    create_access_token,
    generate_refresh_secret,
    generate_token,
    hash_token,
    is_refresh_secret,
)
from app.core.security_log import SecurityEvent
from app.db.base import table_of, utc_now
from app.db.session import commit_and_release
from app.models import User, UserSession
from app.schemas.auth import TokenPair
from app.services.security_events import record

MAX_SESSIONS = 100  # of a user
REFRESH_TOKEN = re.compile(r"[\w-]{43}\.[\w-]{43}", re.ASCII)
# Statements that many requests execute are built once: building takes as long as executing.
USER_OF_SESSION = (
    select(User)
    .join(UserSession, UserSession.user_id == User.id)
    .where(
        UserSession.id == bindparam("session_id"),
        UserSession.expires_at > bindparam("now"),
        UserSession.idle_expires_at > bindparam("now"),
        User.id == bindparam("user_id"),
        User.is_active,
    )
)
SESSIONS, USERS = table_of(UserSession), table_of(User)
ADD_SESSION = insert(SESSIONS)
# One UPDATE checks and replaces the hash, so that only one of concurrent uses succeeds.
# It sets the columns by whose names values are given; the other values have other names.
ROTATE = (
    update(SESSIONS)
    .where(
        SESSIONS.c.id == bindparam("session_id"),
        SESSIONS.c.refresh_hash == bindparam("sent_hash"),
        SESSIONS.c.expires_at > bindparam("now"),
        SESSIONS.c.idle_expires_at > bindparam("now"),
        SESSIONS.c.user_id.in_(select(USERS.c.id).where(USERS.c.is_active)),
    )
    .returning(SESSIONS.c.user_id)
)
OWN = SESSIONS.c.user_id == bindparam("user_id")
NEWEST_FIRST = (SESSIONS.c.created_at.desc(), SESSIONS.c.id)
NEWEST = select(SESSIONS.c.id).where(OWN).order_by(*NEWEST_FIRST).limit(MAX_SESSIONS)
END_OLDEST = delete(SESSIONS).where(OWN, SESSIONS.c.id.not_in(NEWEST))


class SessionService:
    """User sessions. An access token contains the id; a refresh token is id, dot and secret."""

    def __init__(self, db: AsyncSession, client: Client = COMMAND) -> None:
        self.db = db
        self.client = client

    async def create(self, user_id: int) -> TokenPair:
        """Create a session, and return its first pair of tokens. Beyond 100, the oldest ends."""
        session_id = generate_token()
        secret = generate_refresh_secret(session_id)
        session = {
            "id": session_id,
            "user_id": user_id,
            "refresh_hash": hash_token(secret),
            "expires_at": utc_now() + timedelta(days=settings.SESSION_EXPIRE_DAYS),
            **self._last_use(),
        }
        await self.db.execute(ADD_SESSION, session)
        await self.db.execute(END_OLDEST, {"user_id": user_id})
        return _token_pair(user_id, session_id, secret)

    async def refresh(self, token: str) -> TokenPair:
        """Refresh token rotation: return the next pair. A replayed token ends its session.

        One that was made up does not: the id of a session would be enough to end it.
        """
        if not REFRESH_TOKEN.fullmatch(token):
            raise InvalidRefreshTokenError
        session_id, _, secret = token.partition(".")
        next_secret = generate_refresh_secret(session_id)
        sent = {"session_id": session_id, "sent_hash": hash_token(secret), "now": utc_now()}
        changed = {"refresh_hash": hash_token(next_secret), **self._last_use()}
        user_id = await self.db.scalar(ROTATE, sent | changed)
        if user_id is None:
            if is_refresh_secret(session_id, secret):
                await self._end_replayed(session_id)
            await commit_and_release(self.db)  # the error below would roll it back
            raise InvalidRefreshTokenError
        return _token_pair(user_id, session_id, next_secret)

    async def get_user(self, token: TokenPayload) -> User:
        """Return the active user of an active session, with one query."""
        values = {"session_id": token.sid, "user_id": token.user_id, "now": utc_now()}
        user = await self.db.scalar(USER_OF_SESSION, values)
        if user is None:
            raise InvalidTokenError
        return user

    async def get_many(self, user: User) -> list[UserSession]:
        """Return the active sessions of a user, newest first."""
        own = select(UserSession).where(UserSession.user_id == user.id, _is_active())
        return list(await self.db.scalars(own.order_by(*NEWEST_FIRST)))

    async def end(self, user: User, session_id: str) -> None:
        """End a session of the user, with all its tokens."""
        own = and_(UserSession.id == session_id, UserSession.user_id == user.id)
        ended = await self.db.scalar(delete(UserSession).where(own).returning(UserSession.id))
        if ended is None:
            raise SessionNotFoundError
        record(self.db, SecurityEvent.SESSIONS_ENDED, user.id)

    async def log_out(self, session_id: str) -> None:
        """End a session, which may have ended already."""
        if user_id := await self._delete(session_id):
            record(self.db, SecurityEvent.SESSIONS_ENDED, user_id)

    async def end_all(self, user: User, *, except_id: str = "") -> None:
        """End every session of the user, or every other one."""
        own = and_(UserSession.user_id == user.id, UserSession.id != except_id)
        await self.db.execute(delete(UserSession).where(own))
        record(self.db, SecurityEvent.SESSIONS_ENDED, user.id)

    async def purge(self) -> None:
        """Delete sessions that have expired."""
        await self.db.execute(delete(UserSession).where(~_is_active()))

    async def _end_replayed(self, session_id: str) -> None:
        if user_id := await self._delete(session_id):
            record(self.db, SecurityEvent.REPLAY_DETECTED, user_id)

    async def _delete(self, session_id: str) -> int | None:
        """Delete a session, and return the id of its user, or None if it has ended already."""
        ended = delete(UserSession).where(UserSession.id == session_id)
        user_id: int | None = await self.db.scalar(ended.returning(UserSession.user_id))
        return user_id

    def _last_use(self) -> dict[str, Any]:
        return {
            "idle_expires_at": utc_now() + timedelta(days=settings.SESSION_IDLE_DAYS),
            "client_ip": self.client.ip,
            "user_agent": self.client.user_agent,
        }


def _is_active() -> ColumnElement[bool]:
    now = utc_now()
    return and_(UserSession.expires_at > now, UserSession.idle_expires_at > now)


def _token_pair(user_id: int, session_id: str, secret: str) -> TokenPair:
    return TokenPair(
        access_token=create_access_token(user_id, session_id),
        expires_in=int(access_token_lifetime().total_seconds()),
        refresh_token=f"{session_id}.{secret}",
    )
