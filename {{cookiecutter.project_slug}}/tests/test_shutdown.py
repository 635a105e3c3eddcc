"""Graceful shutdown: signals, readiness, and background tasks."""

import asyncio
import signal
from collections.abc import Generator

import pytest
from httpx2 import AsyncClient

from app.core import background, shutdown
from app.main import SHUTDOWN_TIMEOUT, app
from tests.conftest import OverrideSettings

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> Generator[list[int]]:
    """Yield the signals that the server gets."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (INT, TERM)}
    signal.signal(TERM, lambda number, _frame: received.append(number))
    monkeypatch.setattr(shutdown, "_received", [])
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ([TERM], [INT]),
        ([TERM, TERM], [INT]),
        ([TERM, INT], [INT]),
        ([INT], [INT]),
        ([INT, TERM], [INT]),
        ([INT, INT], [INT, INT]),  # a second Ctrl-C quits at once
    ],
)
async def test_stop_signals_shut_down_gracefully_in_any_order(
    client: AsyncClient,
    passed_on: list[int],
    signals: list[signal.Signals],
    expected: list[signal.Signals],
) -> None:
    shutdown.handle_stop_signals()
    assert (await client.get("http://test/health/ready")).status_code == 200

    for number in signals:
        signal.raise_signal(number)
    await asyncio.sleep(0.01)

    assert passed_on == expected
    response = await client.get("http://test/health/ready")
    assert (response.status_code, response.json()["code"]) == (503, "shutting_down")
    assert (await client.get("http://test/health/live")).status_code == 200


async def test_stop_is_delayed_after_sigterm_but_not_after_ctrl_c(
    passed_on: list[int], override_settings: OverrideSettings
) -> None:
    override_settings(STOP_DELAY_SECONDS=0.2)
    shutdown.handle_stop_signals()
    signal.raise_signal(TERM)
    await asyncio.sleep(0.05)
    assert passed_on == []
    await asyncio.sleep(0.2)
    assert passed_on == [INT]


def test_shutdown_timeout_is_ten_seconds() -> None:
    assert SHUTDOWN_TIMEOUT == 10


async def test_shutdown_waits_for_background_tasks() -> None:
    finished = asyncio.Event()

    async def job() -> None:
        await asyncio.sleep(0.01)
        finished.set()

    async with app.router.lifespan_context(app):
        await background.spawn([job])

    assert finished.is_set()
