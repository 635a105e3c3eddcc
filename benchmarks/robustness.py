"""Acknowledged writes that are lost when the service is killed or its database is unreachable.

`uv run python -m benchmarks.robustness` bakes and installs a project, and runs a server with one
worker, on the database of the first argument (sqlite). The second argument is the number of
requests of the endurance run (200000).
"""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from benchmarks.accounts import NO_RATE_LIMITS, PASSWORD, installed
from tests.projects import Project, Server, free_port

KILLS, STOPS = 10, 20
CLIENTS = 8
REQUESTS = 200_000
OUTAGE = 10  # seconds
LOAD_SECONDS = 0.5  # before a signal
PAGE = 4096  # bytes
ANN = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}
SERVE = ("uvicorn", "app.main:app", "--no-proxy-headers", "--port")


@asynccontextmanager
async def client_of(url: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client with authentication."""
    url = f"{url}/api/v1"
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        form = {"username": ANN["email"], "password": PASSWORD}
        login = await client.post("/auth/login", data=form)
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        yield client


async def write(client: httpx2.AsyncClient, prefix: str, acknowledged: set[str]) -> None:
    """Create items until the server has stopped."""
    number = 0
    while True:
        title = f"{prefix}-{number}"
        number += 1
        try:
            response = await client.post("/items/", json={"title": title})
        except httpx2.TransportError:
            return
        if response.status_code == httpx2.codes.CREATED:
            acknowledged.add(title)


async def write_and_signal(url: str, pid: int, number: int, name: str) -> set[str]:
    """Send a signal to a server under load, and return the acknowledged writes."""
    acknowledged: set[str] = set()
    async with client_of(url) as client:
        writers = [write(client, f"{name}-{n}", acknowledged) for n in range(CLIENTS)]
        load = asyncio.gather(*writers)
        await asyncio.sleep(LOAD_SECONDS)
        os.kill(pid, number)
        await load
    return acknowledged


async def titles(url: str) -> set[str]:
    """Return the titles of all items, page after page."""
    found: set[str] = set()
    async with client_of(url) as client:
        page = await client.get("/items/")
        found |= {item["title"] for item in page.json()}
        while "next" in page.links:
            page = await client.get(urljoin(url, page.links["next"]["url"]))
            found |= {item["title"] for item in page.json()}
    return found


def interrupt(project: Project, times: int, number: signal.Signals) -> None:
    """Print how many acknowledged rows are lost after signals under load."""
    acknowledged: set[str] = set()
    for attempt in range(times):
        with project.serve(*SERVE, str(free_port()), **NO_RATE_LIMITS) as server:
            name = f"{number.name}-{attempt}"
            work = write_and_signal(server.url, server.pid, number, name)
            acknowledged |= asyncio.run(work)
    with project.serve(*SERVE, str(free_port()), **NO_RATE_LIMITS) as server:
        stored = {t for t in asyncio.run(titles(server.url)) if t.startswith(number.name)}
    print(
        f"{times} {number.name}: {len(acknowledged)} acknowledged, "
        f"{len(acknowledged - stored)} of them lost, "
        f"{len(stored - acknowledged)} stored without a response"
    )


async def mix(client: httpx2.AsyncClient, count: int, codes: Counter[int]) -> None:
    """Make requests of many kinds."""
    for number in range(count // 5):
        item = await client.post("/items/", json={"title": str(number)})
        path = f"/items/{item.json()['id']}"
        calls: list[Awaitable[httpx2.Response]] = [
            client.get("/users/me"),
            client.get("/items/", params={"limit": 20}),
            client.patch(path, json={"title": "x"}),
            client.delete(path),
        ]
        codes[item.status_code] += 1
        for call in calls:
            codes[(await call).status_code] += 1


@contextmanager
def locked(project: Project) -> Generator[None]:
    """Lock the SQLite database for writers."""
    with closing(sqlite3.connect(project.folder / "app.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def stopped(project: Project) -> Generator[None]:
    """Stop PostgreSQL, and start it again."""
    project.run("make", "postgres-stop")
    yield
    project.run("make", "postgres-start")


async def inject_fault(server: Server, fault: AbstractContextManager[None]) -> None:
    """Print the responses to writes while the database is unreachable, and the time to recover."""
    codes: Counter[int] = Counter()
    async with client_of(server.url) as client:

        async def write_once() -> int:
            response = await client.post("/items/", json={"title": "x"})
            codes[response.status_code] += 1
            return response.status_code

        with fault:
            end = time.monotonic() + OUTAGE
            while time.monotonic() < end:
                await write_once()
                await asyncio.sleep(0.1)
            codes_meanwhile = dict(codes)
        start = time.monotonic()
        while await write_once() != httpx2.codes.CREATED:
            pass
    seconds = time.monotonic() - start
    print(
        f"database unreachable for {OUTAGE} s: {codes_meanwhile}; recovered after {seconds:.1f} s"
    )


def memory(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE / 2**20


async def soak(url: str, pid: int, count: int) -> None:
    """Print errors and memory growth of an endurance run, after a tenth of it as warm-up."""
    codes: Counter[int] = Counter()
    async with client_of(url) as client:

        async def run(share: int) -> None:
            await asyncio.gather(*(mix(client, share // CLIENTS, codes) for _ in range(CLIENTS)))

        await run(count // 10)
        before = memory(pid)
        await run(count - count // 10)
    growth = memory(pid) / before - 1
    print(f"{codes.total()} requests: {dict(codes)}; memory {before:.0f} MiB, then {growth:+.1%}")


def main() -> None:
    """Measure and print."""
    database = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else REQUESTS  # noqa: PLR2004 - the second argument
    with installed(database) as project:
        with project.serve(*SERVE, str(free_port()), **NO_RATE_LIMITS) as server:
            httpx2.post(f"{server.url}/api/v1/users/", json=ANN).raise_for_status()
        interrupt(project, KILLS, signal.SIGKILL)
        interrupt(project, STOPS, signal.SIGTERM)
        fault = {"sqlite": locked, "postgresql": stopped}[database]
        with project.serve(*SERVE, str(free_port()), **NO_RATE_LIMITS) as server:
            asyncio.run(inject_fault(server, fault(project)))
        with project.serve(*SERVE, str(free_port()), **NO_RATE_LIMITS) as server:
            asyncio.run(soak(server.url, server.pid, count))


if __name__ == "__main__":
    main()
