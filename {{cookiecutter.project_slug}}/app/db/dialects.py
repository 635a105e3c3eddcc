"""Differences between PostgreSQL and SQLite: drivers, connections, transactions, upserts."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import now

from app.db.pool import FairPool

DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
POOL_SIZE = 8  # connections; more do not make a process faster that has one core
MAX_CONNECTION_AGE = 300  # seconds: proxies and firewalls drop older ones without a word
# Isolation level of a long read, which sees the same rows from its beginning to its end.
SNAPSHOT_ISOLATION = {
    "postgresql": "REPEATABLE READ",
    "sqlite": "AUTOCOMMIT",  # each statement does
}

Insert = postgresql.Insert | sqlite.Insert
_INSERT: dict[str, Callable[[Any], Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def with_driver(url: str) -> str:
    """Return the database URL with our async driver, whichever driver it names."""
    scheme, _, rest = url.partition("://")
    return f"{DRIVERS[scheme.partition('+')[0]]}://{rest}"


def insert(db: AsyncSession, model: type[Any]) -> Insert:
    """Return the INSERT of the database in use, which has ON CONFLICT DO UPDATE (upsert)."""
    return _INSERT[db.get_bind().dialect.name](model)


@compiles(now, "sqlite")
def _now(*_: object, **__: object) -> str:
    """Return `now()` as text of the length of other timestamps, which are compared as text."""
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


def engine_options(dialect: str, *, read_only: bool, pooler: bool) -> dict[str, Any]:
    """Return the arguments of `create_async_engine`. Timeouts are in seconds.

    With a pooler in transaction mode, each transaction has another connection, so that prepared
    statements cannot be cached, and connections have no settings.
    """
    options: dict[str, Any] = {
        "poolclass": FairPool,
        "pool_size": POOL_SIZE,
        "max_overflow": 0,  # such connections would be opened and closed all the time
        "pool_timeout": 5,
    }
    if read_only and not pooler:
        options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    if dialect == "sqlite":
        return options
    arguments: dict[str, Any] = {"timeout": 5, "command_timeout": 10}
    if pooler:
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    elif read_only:
        arguments["server_settings"] = {"default_transaction_read_only": "on"}
    return options | {"pool_recycle": MAX_CONNECTION_AGE, "connect_args": arguments}


def engine_listeners(dialect: str, *, read_only: bool) -> dict[str, Callable[..., Any]]:
    """Return the SQLAlchemy event listeners of an engine, by event."""
    if dialect == "sqlite":
        if read_only:
            return {"do_connect": _connect, "connect": _configure_sqlite_reader}
        return {"do_connect": _connect, "connect": _configure_sqlite, "begin": _begin_sqlite}
    if read_only:
        return {"do_connect": _connect, "connect": _make_read_only, "checkout": _reject_closed}
    return {"do_connect": _connect, "checkout": _reject_closed}


def _connect(dialect: Dialect, _record: object, arguments: Any, options: Any) -> DBAPIConnection:  # noqa: ANN401 - the driver's own
    """Connect. Drivers raise OSError for a missing file or host; SQLAlchemy does not wrap it.

    A listener that changes the arguments has to be inserted before this one.
    """
    try:
        return dialect.connect(*arguments, **options)
    except OSError as error:
        raise OperationalError(None, None, error) from error


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    """Enforce foreign keys, enable WAL, so that a writer does not block readers, wait for locks."""
    connection.isolation_level = None  # the driver begins no transactions: see `_begin_sqlite`
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _configure_sqlite_reader(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own class
    """Reject writes."""
    _configure_sqlite(connection, record)
    connection.execute("PRAGMA query_only = ON").close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction that locks at once: if it locked later, it could fail."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make_read_only(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    """Reject writes, also in the transactions that a pooler needs."""
    connection.readonly = True


def _reject_closed(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - the driver's own class
    """Replace a connection that the server has closed, without a query to find out."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
