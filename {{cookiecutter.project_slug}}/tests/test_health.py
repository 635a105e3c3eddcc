"""What a load balancer asks."""

import asyncio
import signal
from pathlib import Path

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.core import background, lifecycle
from app.db.session import build_engine
from app.main import app
from app.services import health_service

LIVE, READY = "http://test/health/live", "http://test/health/ready"


async def test_a_healthy_service_is_live_and_ready(client: AsyncClient) -> None:
    for url in (LIVE, READY):
        response = await client.get(url)
        assert response.status_code == 200
        assert response.json() == {"status": "ok"}


@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite:///{}/none/app.db", "sqlite+aiosqlite:///{}/app.db"]
)
async def test_a_service_is_not_ready_without_database_or_migrations(
    client: AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    engine = build_engine(url.format(tmp_path))
    monkeypatch.setattr(health_service, "async_session_factory", async_sessionmaker(engine))

    response = await client.get(READY)

    assert response.status_code == 503
    assert response.json()["detail"] == "The database is not ready."
    assert int(response.headers["Retry-After"]) > 0
    assert (await client.get(LIVE)).status_code == 200
    await engine.dispose()


async def test_a_service_is_not_ready_for_tables_that_it_does_not_know(
    client: AsyncClient, db: AsyncSession
) -> None:
    await db.execute(text("UPDATE alembic_version SET version_num = 'unknown'"))
    await db.commit()

    assert (await client.get(READY)).status_code == 503


async def test_what_is_under_way_is_finished_before_the_service_stops() -> None:
    finished = asyncio.Event()

    async def job() -> None:
        await asyncio.sleep(0.01)
        finished.set()

    async with app.router.lifespan_context(app):
        await background.start(job)

    assert finished.is_set()


async def test_a_service_that_is_asked_to_stop_is_not_ready_any_more(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_on: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: passed_on.append(number))
    monkeypatch.setattr(lifecycle, "_stopping", False)
    lifecycle.watch_for_stop()
    assert (await client.get(READY)).status_code == 200

    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)  # impatience breaks nothing off
    await asyncio.sleep(0.01)
    signal.signal(signal.SIGTERM, before)

    assert passed_on == [signal.SIGINT]
    response = await client.get(READY)
    assert (response.status_code, response.json()["detail"]) == (503, "The service is stopping.")
    assert (await client.get(LIVE)).status_code == 200
