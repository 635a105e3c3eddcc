"""Blocking calls: code that blocks the event loop fails the tests."""

import time

import pytest
from blockbuster import BlockingError
from httpx2 import ASGITransport, AsyncClient

from app.main import app
from app.services.account_service import AccountService
from tests.helpers import API, NEW_USER


@pytest.mark.usefixtures("db")
async def test_blocking_call_in_the_event_loop_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    async def block(*_: object) -> None:
        time.sleep(0.001)  # noqa: ASYNC251 - the point

    monkeypatch.setattr(AccountService, "register", block)

    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
        with pytest.raises(BlockingError):
            await client.post(f"{API}/users/", json=NEW_USER)
