"""Engine, database sessions, and the only place where transactions begin and end."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.config import settings
from app.db.dialects import READ_ONLY, engine_listeners, engine_options, with_driver
from app.db.errors import translate_database_errors


def build_engine(url: str) -> AsyncEngine:
    """Return an engine for a database URL, whose scheme selects the driver."""
    url = with_driver(url)
    dialect = make_url(url).get_backend_name()
    engine = create_async_engine(
        url,
        echo=settings.DATABASE_ECHO,
        hide_parameters=True,  # values of rows, such as emails, must not be logged
        **engine_options(dialect, pooler=settings.DATABASE_POOLER),
    )
    for name, listener in engine_listeners(dialect).items():
        event.listen(engine.sync_engine, name, listener)
    return engine


engine = build_engine(settings.DATABASE_URL)
async_session_factory = async_sessionmaker(
    engine,
    expire_on_commit=False,
    close_resets_only=False,  # a session that is used after its request raises an error
)


@asynccontextmanager
async def transaction() -> AsyncGenerator[AsyncSession]:
    """Yield a database session: committed after the block, rolled back if it or the commit fails.

    Raises:
        ConcurrentChangeError, DatabaseUnavailableError: instead of errors of the driver.
    """
    with translate_database_errors():
        async with async_session_factory() as db:
            try:
                yield db
                await db.commit()
            except BaseException:
                await db.rollback()
                raise


async def get_db() -> AsyncGenerator[AsyncSession]:
    """Yield the database session of a request: one transaction per request."""
    async with transaction() as db:
        yield db


async def begin_read_only(db: AsyncSession) -> None:
    """Begin a read-only transaction: the database rejects writes, and no writer blocks it."""
    await db.connection(execution_options=READ_ONLY)


async def commit_and_release(db: AsyncSession) -> None:
    """Commit, and give the connection back to the pool until the next statement.

    For slow work such as hashing, which must not hold a connection, and for writes that must
    persist even if the request fails, such as a counted attempt.
    """
    await db.commit()
