"""Engine: connections, pools, read-only connections and errors of both databases."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from socket import gaierror
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.config import settings
from app.db.dialects import (
    MAX_CONNECTION_AGE,
    POOL_SIZE,
    command_listeners,
    connect_arguments,
    engine_listeners,
    pool_options,
    service_arguments,
    split_url,
    take_turns,
)
from app.db.engine import command_engine, service_engine
from app.db.session import build_engine
from app.models import User


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    """Yield an engine of an empty SQLite database."""
    engine = build_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(_migrated: None) -> AsyncGenerator[AsyncEngine]:
    """Yield an engine of the test database, as the service has it."""
    engine = build_engine(settings.DATABASE_URL)
    yield engine
    await engine.dispose()


@pytest.fixture
async def read_engine(_migrated: None) -> AsyncGenerator[AsyncEngine]:
    """Yield a read-only engine of the test database."""
    engine = build_engine(settings.DATABASE_URL, read_only=True)
    yield engine
    await engine.dispose()


@asynccontextmanager
async def busy(engine: AsyncEngine) -> AsyncGenerator[None]:
    """Use all connections of a pool."""
    async with AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            await stack.enter_async_context(engine.connect())
        yield


@pytest.mark.parametrize(
    ("pragma", "value"), [("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5000)]
)
async def test_sqlite_connection_sets_foreign_keys_wal_and_busy_timeout(
    sqlite: AsyncEngine, pragma: str, value: object
) -> None:
    async with sqlite.connect() as connection:
        assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar() == value


async def test_read_only_connection_does_not_wait_for_a_writer(sqlite: AsyncEngine) -> None:
    read_only = build_engine(sqlite.url.render_as_string(), read_only=True)
    async with sqlite.connect() as writer, read_only.connect() as reader:
        await writer.execute(text("CREATE TABLE things (id INTEGER)"))

        assert (await reader.execute(text("SELECT count(*) FROM sqlite_master"))).scalar() == 0
    await read_only.dispose()


async def test_write_transaction_on_sqlite_locks_at_once(sqlite: AsyncEngine) -> None:
    async with sqlite.connect() as one, sqlite.connect() as two:
        await one.execute(text("SELECT 1"))
        raw = await two.get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.execute("PRAGMA busy_timeout = 1")

        with pytest.raises(OperationalError, match="locked"):
            await two.execute(text("SELECT 1"))


async def test_database_error_does_not_contain_parameters(sqlite: AsyncEngine) -> None:
    async with sqlite.connect() as connection:
        with pytest.raises(OperationalError) as caught:
            await connection.execute(text("SELECT :email FROM nowhere"), {"email": "a@b.de"})

    assert "a@b.de" not in str(caught.value)


@pytest.mark.parametrize("error", [ConnectionRefusedError, FileNotFoundError, gaierror])
async def test_connection_failure_is_an_operational_error(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    engine = build_engine(settings.DATABASE_URL)
    monkeypatch.setattr(engine.dialect, "connect", fail)

    with pytest.raises(OperationalError, match=error.__name__):
        await engine.connect()
    await engine.dispose()


async def test_read_only_connection_rejects_writes(read_engine: AsyncEngine) -> None:
    async with AsyncSession(read_engine) as db:
        for _ in range(2):  # on one connection, used again
            with pytest.raises(DBAPIError, match=r"read-?only"):
                await db.execute(text("DELETE FROM users WHERE id = 0"))
            await db.rollback()


async def test_read_only_connection_has_no_transactions(
    engine: AsyncEngine, read_engine: AsyncEngine
) -> None:
    name = text("SELECT count(*) FROM users WHERE email = 'new@example.com'")
    async with AsyncSession(read_engine) as reader, AsyncSession(engine) as writer:
        before = await reader.scalar(name)
        writer.add(User(email="new@example.com", full_name="New", hashed_password=""))
        await writer.commit()
        after = await reader.scalar(name)
        await writer.execute(text("DELETE FROM users WHERE email = 'new@example.com'"))
        await writer.commit()

    assert (before, after) == (0, 1)


async def test_connections_are_reused(read_engine: AsyncEngine) -> None:
    opened: list[object] = []
    event.listen(read_engine.sync_engine, "connect", lambda *arguments: opened.append(arguments))

    async def read() -> None:
        async with read_engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    for _ in range(3):  # SQLAlchemy's default would open 15, and close 10 each time
        await asyncio.gather(*(read() for _ in range(64)))

    assert len(opened) == POOL_SIZE


async def test_connections_are_given_in_the_order_of_the_requests(
    read_engine: AsyncEngine,
) -> None:
    tickets = itertools.count()
    served: list[int] = []

    async def work() -> None:
        for _ in range(20):
            ticket = next(tickets)
            async with read_engine.connect() as connection:
                served.append(ticket)
                await connection.execute(text("SELECT 1"))

    async with busy(read_engine):  # opens all connections, which takes different times
        pass
    await asyncio.gather(*(work() for _ in range(3 * POOL_SIZE)))

    assert served == sorted(served)


async def test_pool_timeout_is_an_error(sqlite: AsyncEngine) -> None:
    pool: Any = sqlite.pool
    pool._timeout = 0.01  # noqa: SLF001 - 5 seconds would be long for a test
    async with busy(sqlite):
        with pytest.raises(PoolTimeoutError, match="No connection was free"):
            await sqlite.connect()

    async with sqlite.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1


async def test_connection_that_the_server_has_closed_is_replaced(engine: AsyncEngine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no server.")
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver_connection: Any = raw.driver_connection
    await driver_connection.close()

    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1


@pytest.mark.parametrize("pooler", [True, False])
def test_prepared_statements_are_not_cached_behind_a_pooler(
    pooler: bool,
) -> None:
    arguments = connect_arguments("postgresql", pooler=pooler)

    assert (arguments.get("statement_cache_size") == 0) == pooler
    assert (arguments.get("prepared_statement_cache_size") == 0) == pooler


def test_timeouts_on_postgresql_are_5_seconds_to_connect_and_10_for_a_statement() -> None:
    options = pool_options("postgresql", read_only=False, pooler=False)
    _, arguments = split_url("postgresql://u@h/d")

    assert options["pool_timeout"] == arguments["timeout"] == 5
    assert options["pool_recycle"] == MAX_CONNECTION_AGE
    arguments = service_arguments("postgresql", read_only=False, pooler=False)
    assert arguments["command_timeout"] == 10


def test_migrations_on_postgresql_wait_for_an_advisory_lock_of_the_transaction() -> None:
    executed: list[str] = []
    dialect = SimpleNamespace(name="postgresql")
    connection: Any = SimpleNamespace(
        dialect=dialect, execute=lambda statement: executed.append(str(statement))
    )

    take_turns(connection)

    assert "pg_advisory_xact_lock" in executed[0]
    assert command_listeners("postgresql").keys() == {"do_connect"}


@pytest.mark.parametrize("read_only", [True, False])
def test_connection_that_postgresql_has_closed_is_rejected(
    read_only: bool,
) -> None:
    reject = engine_listeners("postgresql", read_only=read_only)["checkout"]
    closed: Any = SimpleNamespace(driver_connection=SimpleNamespace(is_closed=lambda: True))
    usable: Any = SimpleNamespace(driver_connection=SimpleNamespace(is_closed=lambda: False))

    reject(usable, None, None)
    with pytest.raises(DisconnectionError):
        reject(closed, None, None)


def test_postgresql_rejects_writes_of_a_read_only_connection_also_behind_a_pooler() -> None:
    direct, pooled = (
        pool_options("postgresql", read_only=True, pooler=pooler)
        | service_arguments("postgresql", read_only=True, pooler=pooler)
        for pooler in (False, True)
    )
    connection: Any = SimpleNamespace(readonly=False)
    engine_listeners("postgresql", read_only=True)["connect"](connection, None)

    assert direct["isolation_level"] == "AUTOCOMMIT"
    assert direct["server_settings"] == {"default_transaction_read_only": "on"}
    assert "isolation_level" not in pooled  # it has a transaction, which the driver begins
    assert not pooled["server_settings"]  # poolers reject or ignore them
    assert connection.readonly


async def test_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    old.touch(0o640)
    uri = f"file:{old}?mode=rw&uri=true"
    for file, url, mode in (
        (tmp_path / "new.db", tmp_path / "new.db", 0o600),
        (old, old, 0o640),
        (old, uri, 0o640),
    ):
        engine = command_engine(f"sqlite:///{url}")
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE IF NOT EXISTS t (id INTEGER)"))
        await engine.dispose()

        assert file.stat().st_mode & 0o777 == mode


def test_process_has_two_pools_of_at_most_eight_connections() -> None:
    assert POOL_SIZE == 8


async def test_sql_is_logged_without_values(caplog: pytest.LogCaptureFixture) -> None:
    engine = service_engine(
        settings.DATABASE_URL, read_only=False, pooler=settings.DATABASE_POOLER, echo=True
    )
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1 WHERE :email = 'x'"), {"email": "a@b.de"})
    await engine.dispose()

    assert "SELECT 1 WHERE" in caplog.text
    assert "a@b.de" not in caplog.text
