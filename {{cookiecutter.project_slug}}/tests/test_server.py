"""A real server, called over HTTP: an in-process client hides what a server shows."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator

import httpx2
import pytest
from alembic import command

from app.config import settings
from tests.conftest import PASSWORD, ROOT, alembic_config
from tests.database import temporary_database

UVICORN = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0"]


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    """Yield the address of a server with a database of its own; it must stop cleanly."""
    with temporary_database() as url:
        command.upgrade(alembic_config(url), "head")
        environment = os.environ | {"DATABASE_URL": url, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            UVICORN, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            yield _address(process)
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=10)
        assert process.returncode in {0, -signal.SIGTERM}, (
            log
        )  # uvicorn repeats the signal when done
        assert "Traceback" not in log


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    for line in process.stderr:
        if match := re.search(r"running on (http://\S+)", line):
            return match[1]
    message = "the server did not start"
    raise AssertionError(message)


@pytest.fixture
def api(server: str) -> Generator[httpx2.Client]:
    """Yield a client of the server."""
    with httpx2.Client(base_url=f"{server}{settings.API_V1_PREFIX}", timeout=30) as client:
        yield client


def test_a_server_is_ready_and_documented(server: str) -> None:
    assert httpx2.get(f"{server}/health/ready").json() == {"status": "ok"}
    assert "swagger" in httpx2.get(f"{server}/docs").text


def test_a_new_user_logs_in_and_keeps_items(api: httpx2.Client) -> None:
    ann = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}
    assert api.post("/users/", json=ann).status_code == 201
    form = {"username": ann["email"], "password": PASSWORD}
    api.headers["Authorization"] = (
        f"Bearer {api.post('/auth/login', data=form).json()['access_token']}"
    )

    item = api.post("/items/", json={"title": "Lamp"}).json()
    assert api.patch(f"/items/{item['id']}", json={"title": "Light"}).json()["title"] == "Light"
    assert [found["id"] for found in api.get("/items/").json()] == [item["id"]]
    assert api.delete(f"/items/{item['id']}").status_code == 204
    assert api.delete("/users/me").status_code == 204
    assert api.get("/users/me").status_code == 401


async def test_of_twenty_who_want_one_address_one_gets_it(server: str) -> None:
    async def register(number: int) -> int:
        email = "".join(
            c.upper() if number >> i & 1 else c for i, c in enumerate("racer@example.com")
        )
        body = {"email": email, "full_name": "Racer", "password": PASSWORD}
        return (await client.post("/users/", json=body)).status_code

    async with httpx2.AsyncClient(
        base_url=f"{server}{settings.API_V1_PREFIX}", timeout=30
    ) as client:
        codes = await asyncio.gather(*map(register, range(20)))

    assert Counter(codes) == {201: 1, 409: 19}
