"""What is lost when a service is killed or stopped under load, and what it costs to go on for long.

`uv run python -m benchmarks.robustness` bakes a project, installs it and works on a real server
with one worker, on the database that the first argument names (sqlite); the second one says how
many requests the long run makes (200000).
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from benchmarks.accounts import LIMITS, PASSWORD, installed
from tests.projects import Project, free_port

KILLS, STOPS = 10, 20
CLIENTS = 8
REQUESTS = 200_000
UNDER_WAY = 0.5  # seconds of load before a signal
PAGE = 4096  # bytes
ANN = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}
SERVE = ("uvicorn", "app.main:app", "--no-proxy-headers", "--port")


@asynccontextmanager
async def client_of(address: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client who is logged in."""
    url = f"{address}/api/v1"
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        form = {"username": ANN["email"], "password": PASSWORD}
        login = await client.post("/auth/login", data=form)
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        yield client


async def write(client: httpx2.AsyncClient, prefix: str, acknowledged: set[str]) -> None:
    """Add items until the server is gone."""
    number = 0
    while True:
        title = f"{prefix}-{number}"
        number += 1
        try:
            answer = await client.post("/items/", json={"title": title})
        except httpx2.TransportError:
            return
        if answer.status_code == httpx2.codes.CREATED:
            acknowledged.add(title)


async def write_and_signal(address: str, pid: int, number: int, name: str) -> set[str]:
    """Send a signal to a server that is written to, and return what it has acknowledged."""
    acknowledged: set[str] = set()
    async with client_of(address) as client:
        writers = [write(client, f"{name}-{n}", acknowledged) for n in range(CLIENTS)]
        load = asyncio.gather(*writers)
        await asyncio.sleep(UNDER_WAY)
        os.kill(pid, number)
        await load
    return acknowledged


async def titles(address: str) -> set[str]:
    """Return the titles of all items, page after page."""
    found: set[str] = set()
    async with client_of(address) as client:
        after: int | None = 0
        while after is not None:
            page = (await client.get("/items/", params={"after": after})).json()
            found |= {item["title"] for item in page}
            after = page[-1]["id"] if page else None
    return found


def interrupt(project: Project, times: int, number: signal.Signals) -> None:
    """Print what is missing on either side after so many signals."""
    acknowledged: set[str] = set()
    for attempt in range(times):
        with project.serve(*SERVE, str(free_port()), **LIMITS) as server:
            name = f"{number.name}-{attempt}"
            work = write_and_signal(server.address, server.pid, number, name)
            acknowledged |= asyncio.run(work)
    with project.serve(*SERVE, str(free_port()), **LIMITS) as server:
        stored = {t for t in asyncio.run(titles(server.address)) if t.startswith(number.name)}
    print(
        f"{times} {number.name}: {len(acknowledged)} acknowledged, "
        f"{len(acknowledged - stored)} of them lost, "
        f"{len(stored - acknowledged)} stored without an answer"
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


def memory(pid: int) -> float:
    """Return the memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE / 2**20


async def soak(address: str, pid: int, count: int) -> None:
    """Print errors and growth of a long run; the first tenth warms the caches."""
    codes: Counter[int] = Counter()
    async with client_of(address) as client:

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
    count = int(sys.argv[2]) if len(sys.argv) > 2 else REQUESTS  # noqa: PLR2004 - its place
    with installed(database) as project:
        with project.serve(*SERVE, str(free_port()), **LIMITS) as server:
            httpx2.post(f"{server.address}/api/v1/users/", json=ANN).raise_for_status()
        interrupt(project, KILLS, signal.SIGKILL)
        interrupt(project, STOPS, signal.SIGTERM)
        with project.serve(*SERVE, str(free_port()), **LIMITS) as server:
            asyncio.run(soak(server.address, server.pid, count))


if __name__ == "__main__":
    main()
