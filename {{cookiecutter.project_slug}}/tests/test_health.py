"""Health checks: liveness and readiness."""

from pathlib import Path

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.session import build_engine
from app.services import health_service

LIVE, READY = "http://test/health/live", "http://test/health/ready"


async def test_healthy_service_is_live_and_ready(client: AsyncClient) -> None:
    for url in (LIVE, READY):
        response = await client.get(url)
        assert response.status_code == 200
        assert response.json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///{}/none/app.db", "No such file or directory"),
        ("sqlite:///{}/app.db", "no such table: alembic_version"),
    ],
)
async def test_readiness_is_503_without_database_or_migrations(  # noqa: PLR0913 - fixtures
    *,
    client: AsyncClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    url: str,
    reason: str,
) -> None:
    engine = build_engine(url.format(tmp_path), read_only=True)
    monkeypatch.setattr(health_service, "read_session_factory", async_sessionmaker(engine))

    await client.get(READY)
    response = await client.get(READY)

    assert caplog.text.count(reason) == 1  # probes repeat every few seconds
    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert (await client.get(LIVE)).status_code == 200
    await engine.dispose()


async def test_readiness_is_503_for_an_unknown_revision(
    client: AsyncClient, db: AsyncSession
) -> None:
    await db.execute(text("UPDATE alembic_version SET version_num = 'unknown'"))
    await db.commit()

    assert (await client.get(READY)).status_code == 503


def test_readiness_timeout_is_one_second() -> None:
    assert health_service.READINESS_TIMEOUT == 1.0
