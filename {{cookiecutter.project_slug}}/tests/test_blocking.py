"""The suite notices code that blocks the event loop."""

import time

import pytest
from blockbuster import BlockingError
from httpx2 import AsyncClient

from app.services.user_service import UserService

NEW = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}


async def test_code_that_blocks_is_noticed(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def wait(*_: object) -> None:
        time.sleep(0.001)  # noqa: ASYNC251 - the point

    monkeypatch.setattr(UserService, "register", wait)

    assert (await client.post("/users/", json=NEW)).status_code == 500
    assert BlockingError.__name__ in caplog.text
