"""Accounts, written into the database of a server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import hash_token
from app.db.base import utc_now
from app.db.session import build_engine
from app.models import EmailToken, User, UserSession
from app.services.email_service import Purpose
from app.services.session_service import SessionService
from tests.conftest import HASHED


class Account(NamedTuple):
    """A user with a session."""

    id: int
    email: str
    headers: dict[str, str]
    refresh_token: str


@asynccontextmanager
async def transaction(database: str) -> AsyncGenerator[AsyncSession]:
    """Yield a database session, and commit it."""
    engine = build_engine(database)
    async with AsyncSession(engine, expire_on_commit=False) as db, db.begin():
        yield db
    await engine.dispose()


async def create_account(database: str, name: str, **attributes: object) -> Account:
    """Create a user with `PASSWORD`, a verified email and a session."""
    values = {"email": f"{name}@example.com", "full_name": name.title(), "is_verified": True}
    async with transaction(database) as db:
        db.add(user := User(hashed_password=HASHED, **values | attributes))
        await db.flush()
        tokens = await SessionService(db).create(user.id)
    bearer = {"Authorization": f"Bearer {tokens.access_token}"}
    return Account(user.id, user.email, bearer, tokens.refresh_token)


async def create_email_token(database: str, account: Account, purpose: Purpose, email: str) -> str:
    """Create a token as if it had been sent to an email, and return it."""
    token = f"{purpose} {email}"
    row = EmailToken(token_hash=hash_token(token), user_id=account.id, purpose=purpose, email=email)
    row.expires_at = utc_now() + timedelta(hours=1)
    async with transaction(database) as db:
        db.add(row)
    return token


async def count_sessions(database: str, email: str) -> int:
    """Count the sessions of the user who has an email."""
    own = select(func.count()).select_from(UserSession).join(User).where(User.email == email)
    async with transaction(database) as db:
        return await db.scalar(own) or 0


async def delete_superusers(database: str) -> None:
    """Delete all superusers."""
    async with transaction(database) as db:
        await db.execute(delete(User).where(User.is_superuser))
