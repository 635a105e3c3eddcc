"""What databases are told, so that both keep the same promises and fail in the same words."""

from collections.abc import AsyncGenerator
from pathlib import Path
from socket import gaierror

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.config import settings
from app.db.session import READ_ONLY, build_engine


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    """Yield an engine on an empty database."""
    engine = build_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(
    ("pragma", "value"), [("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5000)]
)
async def test_sqlite_is_prepared(sqlite: AsyncEngine, pragma: str, value: object) -> None:
    async with sqlite.connect() as connection:
        assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar() == value


async def test_readers_do_not_wait_for_a_writer(sqlite: AsyncEngine) -> None:
    async with sqlite.connect() as writer, sqlite.connect() as reader:
        await writer.execute(text("CREATE TABLE things (id INTEGER)"))
        await reader.execution_options(**READ_ONLY)

        assert (await reader.execute(text("SELECT count(*) FROM sqlite_master"))).scalar() == 0


async def test_a_writer_takes_its_lock_at_once(sqlite: AsyncEngine) -> None:
    async with sqlite.connect() as one, sqlite.connect() as two:
        await one.execute(text("SELECT 1"))
        raw = await two.get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.execute("PRAGMA busy_timeout = 1")

        with pytest.raises(OperationalError, match="locked"):
            await two.execute(text("SELECT 1"))


async def test_an_error_says_nothing_about_what_is_stored(sqlite: AsyncEngine) -> None:
    async with sqlite.connect() as connection:
        with pytest.raises(OperationalError) as caught:
            await connection.execute(text("SELECT :email FROM nowhere"), {"email": "a@b.de"})

    assert "a@b.de" not in str(caught.value)


@pytest.mark.parametrize("error", [ConnectionRefusedError, FileNotFoundError, gaierror])
async def test_what_the_system_says_of_a_database_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    engine = build_engine(settings.DATABASE_URL)
    monkeypatch.setattr(engine.dialect, "connect", fail)

    with pytest.raises(OperationalError, match=error.__name__):
        await engine.connect()
    await engine.dispose()
