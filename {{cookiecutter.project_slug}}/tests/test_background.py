"""Background tasks."""

import asyncio
from functools import partial

import pytest

from app.core import background


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
