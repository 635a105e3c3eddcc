"""The engine, and the one place where transactions begin and end."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from sqlalchemy import Connection, Dialect, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.config import settings

READ_ONLY = {"read_only": True}  # execution options of a transaction that will not write


def _connect(dialect: Dialect, _record: object, arguments: Any, options: Any) -> DBAPIConnection:  # noqa: ANN401 - the driver's own
    """Connect, and say so where the driver would say no more than that a file is missing.

    A listener that changes the arguments has to be inserted before this one.
    """
    try:
        return dialect.connect(*arguments, **options)
    except OSError as error:
        raise OperationalError(None, None, error) from error


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    """Make SQLite keep foreign keys, let readers and a writer work at once, and wait for locks."""
    connection.isolation_level = None  # the driver begins no transactions: see `_begin_sqlite`
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: a reader that turns writer fails where others write too."""
    read_only = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _statement_caches() -> dict[str, int]:
    """Prepare no statements where each transaction may have another connection of the pooler."""
    names = ("statement_cache_size", "prepared_statement_cache_size")
    return dict.fromkeys(names, 0) if settings.DATABASE_POOLER else {}


OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "pool_pre_ping": True,  # a restart of the server goes unnoticed
        "pool_timeout": 5,  # seconds, as below: rather an error than a request that hangs
        "connect_args": {"timeout": 5, "command_timeout": 10, **_statement_caches()},
    },
    "sqlite": {},
}
LISTENERS: dict[str, dict[str, Callable[..., Any]]] = {
    "postgresql": {"do_connect": _connect},
    "sqlite": {"do_connect": _connect, "connect": _prepare_sqlite, "begin": _begin_sqlite},
}


def build_engine(url: str) -> AsyncEngine:
    """Return an engine for the URL; its scheme decides the dialect."""
    dialect = make_url(url).get_backend_name()
    engine = create_async_engine(
        url,
        echo=settings.DATABASE_ECHO,
        hide_parameters=True,  # rows hold addresses and hashes, which logs must not
        **OPTIONS[dialect],
    )
    for name, listener in LISTENERS[dialect].items():
        event.listen(engine.sync_engine, name, listener)
    return engine


engine = build_engine(settings.DATABASE_URL)
async_session_factory = async_sessionmaker(engine, expire_on_commit=False)


async def get_db() -> AsyncGenerator[AsyncSession]:
    """Yield a session: committed if the work succeeds, rolled back if it or the commit fails."""
    async with async_session_factory() as session:
        try:
            yield session
            await session.commit()
        except BaseException:
            await session.rollback()
            raise
