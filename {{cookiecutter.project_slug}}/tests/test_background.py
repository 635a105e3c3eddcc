"""Background tasks."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import main
from app.core import background
from app.db.base import utc_now
from app.models import KnownClient
from app.services import purge_service
from tests.conftest import REAL_PURGE_INTERVAL
from tests.helpers import running


async def test_failed_background_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        message = "broken"
        raise RuntimeError(message)

    await background.spawn([fail])
    await background.wait_for_all()

    assert "A background task failed." in caplog.text


async def test_background_tasks_abandoned_at_shutdown_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await background.spawn([partial(asyncio.sleep, 0.05)])
    await background.wait_for_all(0.001)
    await background.wait_for_all()

    assert "Background tasks abandoned at shutdown: 1." in caplog.text


async def test_job_is_repeated_although_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []
    is_third = asyncio.Event()

    async def fail() -> None:
        runs.append(1)
        if len(runs) == 3:
            is_third.set()
        raise ValueError

    task = asyncio.create_task(background.repeat(fail, 0.01))
    await is_third.wait()
    task.cancel()

    assert caplog.text.count("A background task failed.") >= 2


async def test_purge_deletes_what_has_expired(db: AsyncSession) -> None:
    now = utc_now()
    for key, days in (("old", -1), ("new", 1)):
        db.add(KnownClient(key=key, email_hash="", expires_at=now + timedelta(days=days)))
    await db.commit()

    await purge_service.purge_in_background()

    assert list(await db.scalars(select(KnownClient.key))) == ["new"]


async def test_service_purges_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    is_purged, is_cancelled = asyncio.Event(), asyncio.Event()

    async def purge() -> None:
        is_purged.set()
        try:
            await asyncio.Event().wait()
        finally:
            is_cancelled.set()

    monkeypatch.setattr(purge_service, "INTERVAL", 0.01)
    monkeypatch.setattr(purge_service, "purge_in_background", purge)

    async with running(main.create_app()):
        await is_purged.wait()

    assert is_cancelled.is_set()


def test_purge_is_repeated_every_hour() -> None:
    assert REAL_PURGE_INTERVAL == 3600  # seconds
