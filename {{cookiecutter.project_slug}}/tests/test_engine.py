"""Engine: connections, read-only transactions and errors of both databases."""

from collections.abc import AsyncGenerator
from pathlib import Path
from socket import gaierror
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.config import settings
from app.db.dialects import READ_ONLY, engine_listeners, engine_options
from app.db.session import begin_read_only, build_engine


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


@pytest.mark.parametrize(
    ("pragma", "value"), [("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5000)]
)
async def test_sqlite_connection_sets_foreign_keys_wal_and_busy_timeout(
    sqlite: AsyncEngine, pragma: str, value: object
) -> None:
    async with sqlite.connect() as connection:
        assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar() == value


async def test_read_only_transaction_does_not_wait_for_a_writer(sqlite: AsyncEngine) -> None:
    async with sqlite.connect() as writer, sqlite.connect() as reader:
        await writer.execute(text("CREATE TABLE things (id INTEGER)"))
        await reader.execution_options(**READ_ONLY)

        assert (await reader.execute(text("SELECT count(*) FROM sqlite_master"))).scalar() == 0


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


async def test_read_only_transaction_rejects_writes_and_the_next_one_writes(
    engine: AsyncEngine,
) -> None:
    write = text("DELETE FROM users WHERE id = 0")
    async with AsyncSession(engine) as db:  # one connection, used again and again
        for _ in range(2):
            await begin_read_only(db)
            with pytest.raises(DBAPIError, match=r"read-?only"):
                await db.execute(write)
            await db.rollback()
            await db.execute(write)
            await db.commit()


@pytest.mark.parametrize("pooler", [True, False])
def test_prepared_statements_are_not_cached_behind_a_pooler(
    pooler: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    arguments = engine_options("postgresql", pooler=pooler)["connect_args"]

    assert (arguments.get("statement_cache_size") == 0) == pooler
    assert (arguments.get("prepared_statement_cache_size") == 0) == pooler


def test_timeouts_on_postgresql_are_5_seconds_to_connect_and_10_for_a_statement() -> None:
    options = engine_options("postgresql", pooler=False)

    assert options["pool_timeout"] == 5
    assert options["connect_args"] == {"timeout": 5, "command_timeout": 10}


@pytest.mark.parametrize("read_only", [True, False])
def test_postgresql_transaction_is_read_only_if_requested(
    read_only: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    driver_connection = SimpleNamespace(readonly=None)
    connection: Any = SimpleNamespace(
        connection=SimpleNamespace(dbapi_connection=driver_connection),
        get_execution_options=lambda: {"read_only": read_only},
    )

    engine_listeners("postgresql")["begin"](connection)

    assert driver_connection.readonly is read_only
