"""Database sessions, and the only place where transactions begin and end."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from anyio import CancelScope
from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from app.config import settings
from app.db.dialects import SNAPSHOT_ISOLATION
from app.db.engine import service_engine
from app.db.errors import translate_database_errors


def build_engine(url: str, *, read_only: bool = False) -> AsyncEngine:
    """Return an engine of the service for a database URL."""
    pooler, echo = settings.DATABASE_POOLER, settings.DATABASE_ECHO
    return service_engine(url, read_only=read_only, pooler=pooler, echo=echo)


engine = build_engine(settings.DATABASE_URL)
read_engine = build_engine(settings.DATABASE_URL, read_only=True)


def _session_factory(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(
        engine,
        expire_on_commit=False,
        close_resets_only=False,  # a session that is used after its request raises an error
    )


async_session_factory = _session_factory(engine)
read_session_factory = _session_factory(read_engine)


@asynccontextmanager
async def _session(*, read_only: bool) -> AsyncGenerator[AsyncSession]:
    db = read_session_factory() if read_only else async_session_factory()
    with translate_database_errors():
        try:
            yield db
            if read_only:
                _reject_changes(db)
            else:
                await db.commit()
        finally:
            # Rolls back what is not committed. A client that goes away cancels every `await`, and
            # a connection that is not closed would be lost to the pool.
            with CancelScope(shield=True):
                await db.close()


def _reject_changes(db: AsyncSession) -> None:
    """Raise an error for changes that were not flushed, instead of losing them without a word."""
    if db.new or db.deleted or any(map(db.is_modified, db.dirty)):
        message = "A GET request, or a read-only transaction, has changed objects: it cannot write."
        raise InvalidRequestError(message)


@asynccontextmanager
async def transaction(*, read_only: bool = False) -> AsyncGenerator[AsyncSession]:
    """Yield a database session: committed after the block, rolled back if it or the commit fails.

    A read-only one cannot write, and no writer blocks it: for long reads, such as a stream.

    Raises:
        ConcurrentChangeError, StillReferencedError, DatabaseUnavailableError: instead of errors of
            the driver.
    """
    async with _session(read_only=read_only) as db:
        if read_only and db.bind is read_engine:  # and not the connection of a test
            isolation = SNAPSHOT_ISOLATION[engine.dialect.name]
            await db.connection(execution_options={"isolation_level": isolation})
        yield db


async def get_db(connection: HTTPConnection) -> AsyncGenerator[AsyncSession]:
    """Yield the database session of a request: one transaction, or read-only for GET and HEAD."""
    async with _session(read_only=connection.scope.get("method") in {"GET", "HEAD"}) as db:
        yield db


def after_commit(db: AsyncSession, callback: Callable[[], None]) -> None:
    """Call a function once the transaction is committed, and not if it fails."""

    def call(_session: Session) -> None:
        callback()

    event.listen(db.sync_session, "after_commit", call, once=True)


async def commit_and_release(db: AsyncSession) -> None:
    """Commit, and give the connection back to the pool until the next statement.

    For slow work such as hashing, which must not hold a connection, and for writes that must
    persist even if the request fails, such as a counted attempt.
    """
    await db.commit()
