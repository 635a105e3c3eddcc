"""Differences between PostgreSQL and SQLite: drivers, connections, transactions, upserts."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import URL, Connection, Dialect, Table, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import now

from app.db.pool import FairPool
from app.setting_types import DRIVERS

MIGRATION_LOCK = 20260115  # any number that no other advisory lock of the database has
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


def split_url(url: str) -> tuple[URL, dict[str, Any]]:
    """Return the address of a database with our driver, and the driver's arguments in the URL.

    asyncpg reads libpq's parameters itself, from a URL of its own.
    """
    parsed = make_url(url)
    parsed = parsed.set(drivername=DRIVERS[parsed.get_backend_name()])
    if parsed.get_backend_name() == "sqlite":
        return parsed, {}
    parameters = {str(name): str(value) for name, value in parsed.query.items()}
    address = {name: parsed.query[name] for name in ("host", "port") if name in parsed.query}
    parsed = parsed.set(query=address)
    arguments: dict[str, Any] = {"timeout": float(parameters.pop("connect_timeout", 5)) or None}
    if parameters.get("sslmode", "").startswith("verify-"):
        arguments |= _verified_tls(parameters)
    rest = {name: value for name, value in parameters.items() if name not in address}
    return parsed, arguments | ({"dsn": f"postgresql://?{urlencode(rest)}"} if rest else {})


def _verified_tls(parameters: dict[str, str]) -> dict[str, Any]:
    """Verify the server's certificate by the system's authorities, unless others are named."""
    if parameters.get("sslrootcert", "system") != "system":
        return {}
    context = ssl.create_default_context()
    context.check_hostname = parameters.pop("sslmode") == "verify-full"
    parameters.pop("sslrootcert", None)
    if "sslcert" in parameters:
        key, password = parameters.pop("sslkey", None), parameters.pop("sslpassword", "")
        context.load_cert_chain(parameters.pop("sslcert"), key, password)
    return {"ssl": context}


def dialect_insert(dialect: str, table: Table) -> Insert:
    """Return an INSERT to which `on_conflict_do_update()` can be added."""
    return _INSERT[dialect](table)


@compiles(now, "sqlite")
def _now(*_: object, **__: object) -> str:
    """Return `now()` as text of the length of other timestamps, which are compared as text."""
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


def pool_options(dialect: str, *, read_only: bool, pooler: bool) -> dict[str, Any]:
    """Return the arguments of `create_async_engine` for a service. Timeouts are in seconds."""
    options: dict[str, Any] = {
        "poolclass": FairPool,
        "pool_size": POOL_SIZE,
        "max_overflow": 0,  # such connections would be opened and closed all the time
        "pool_timeout": 5,
    }
    if read_only and not pooler:
        options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    if dialect != "sqlite":
        options["pool_recycle"] = MAX_CONNECTION_AGE
    return options


def connect_arguments(dialect: str, *, pooler: bool) -> dict[str, Any]:
    """Return the driver's arguments of every connection.

    With a pooler in transaction mode, each transaction has another connection, so that prepared
    statements cannot be cached.
    """
    if dialect == "sqlite" or not pooler:
        return {}
    return {"statement_cache_size": 0, "prepared_statement_cache_size": 0}


def service_arguments(dialect: str, *, read_only: bool, pooler: bool) -> dict[str, Any]:
    """Return the driver's arguments of a connection of a service.

    Behind a pooler, connections have no settings.
    """
    if dialect == "sqlite":
        return {}
    settings = {"default_transaction_read_only": "on"} if read_only and not pooler else {}
    return {"command_timeout": 10, "server_settings": settings}


def engine_listeners(dialect: str, *, read_only: bool) -> dict[str, Callable[..., Any]]:
    """Return the SQLAlchemy event listeners of an engine, by event."""
    if dialect == "sqlite":
        if read_only:
            return {"do_connect": _connect, "connect": _configure_sqlite_reader}
        return {"do_connect": _connect, "connect": _configure_sqlite, "begin": _begin_sqlite}
    if read_only:
        return {"do_connect": _connect, "connect": _make_read_only, "checkout": _reject_closed}
    return {"do_connect": _connect, "checkout": _reject_closed}


def command_listeners(dialect: str) -> dict[str, Callable[..., Any]]:
    """Return the SQLAlchemy event listeners of an engine for commands, by event."""
    if dialect == "sqlite":
        return {"do_connect": _connect, "connect": _wait_for_sqlite, "begin": _begin_sqlite}
    return {"do_connect": _connect}


def take_turns(connection: Connection) -> None:
    """Wait until no other process migrates the database, until the end of the transaction.

    On SQLite, beginning the transaction does it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def _connect(dialect: Dialect, _record: object, arguments: Any, options: Any) -> DBAPIConnection:  # noqa: ANN401 - the driver's own
    """Connect. Drivers raise OSError for a missing file or host; SQLAlchemy does not wrap it.

    A listener that changes the arguments has to be inserted before this one.
    """
    try:
        if dialect.name == "sqlite" and not arguments[0].startswith("file:"):
            Path(arguments[0]).touch(0o600)  # readable by its owner only, if it is new
        return dialect.connect(*arguments, **options)
    except OSError as error:
        raise OperationalError(None, None, error) from error


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    """Enforce foreign keys, enable WAL, so that a writer does not block readers, wait for locks."""
    connection.isolation_level = None  # the driver begins no transactions: see `_begin_sqlite`
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _wait_for_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    """Let transactions begin with BEGIN, those of migrations too, and wait for another one."""
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 60000").close()


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
