"""Differences between PostgreSQL and SQLite: drivers, connections, transactions, upserts."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import now

DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
READ_ONLY = {"read_only": True}  # execution options of a connection

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


def engine_options(dialect: str, *, pooler: bool) -> dict[str, Any]:
    """Return the arguments of `create_async_engine`. Timeouts are in seconds.

    With a pooler in transaction mode, each transaction has another connection, so that prepared
    statements cannot be cached.
    """
    if dialect == "sqlite":
        return {}
    caches = dict.fromkeys(("statement_cache_size", "prepared_statement_cache_size"), 0)
    return {
        "pool_pre_ping": True,  # reconnects after a restart of the database
        "pool_timeout": 5,
        "connect_args": {
            "timeout": 5,
            "command_timeout": 10,
            **(caches if pooler else {}),
        },
    }


def engine_listeners(dialect: str) -> dict[str, Callable[..., Any]]:
    """Return the SQLAlchemy event listeners of an engine, by event."""
    if dialect == "sqlite":
        return {"do_connect": _connect, "connect": _configure_sqlite, "begin": _begin_sqlite}
    return {"do_connect": _connect, "begin": _begin_postgresql}


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


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction: IMMEDIATE for writers, which could fail if they locked later."""
    read_only = _is_read_only(connection)
    if connection.info.get("query_only", False) != read_only:
        connection.exec_driver_sql(f"PRAGMA query_only = {read_only}")
        connection.info["query_only"] = read_only
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    """Begin a transaction: the driver sends BEGIN with this mode before the first statement."""
    driver_connection: Any = connection.connection.dbapi_connection
    driver_connection.readonly = _is_read_only(connection)


def _is_read_only(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("read_only"))
