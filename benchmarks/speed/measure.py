"""What is measured, and in which order."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from benchmarks.accounts import NO_RATE_LIMITS
from benchmarks.speed import processes
from benchmarks.speed.scenarios import (
    CONNECTIONS,
    ITEMS,
    OTHER_ITEMS,
    Data,
    Scenario,
    new_sessions,
)
from tests.projects import Project, Server, free_port

HERE = Path(__file__).parent
SERVICE, CEILING, LIMIT, NAIVE = "service", "ceiling", "limit", "naive"
COMMANDS = {
    SERVICE: ("app.main:app", "--no-server-header", "--no-proxy-headers"),
    CEILING: ("yardsticks.ceiling:app", "--app-dir", str(HERE), "--no-access-log"),
    LIMIT: ("yardsticks.limit:app", "--app-dir", str(HERE), "--no-access-log"),
    NAIVE: ("yardsticks.naive:app", "--app-dir", str(HERE), "--no-access-log"),
}
FULL_ROUNDS = 8  # fewer are quicker and less exact: `ROUNDS=2 make bench`
ROUNDS = int(os.environ.get("ROUNDS", FULL_ROUNDS))
SECONDS = 1.0  # of one load
CLIENTS = 16  # connections of one load
STARTS = 5
LOGINS = 8  # connections that log in without pause
DEPTHS = (0, 1_000, 100_000)
SORTS = ("id", "-id", "title", "-title", "created_at", "-created_at")
PAGES = 30  # requests for one page
SERVER_CORE, OTHER_CORE = 0, 1
Params = dict[str, str | int]


@dataclass
class Sample:
    """One load: CPU in µs per request, requests per second, latencies in ms."""

    cpu: float
    database_cpu: float
    rate: float
    p50: float
    p99: float


@dataclass
class Results:
    """Everything that was measured. The keys of the inner dictionaries are servers."""

    database: str
    python: str
    goals: dict[str, float] = field(default_factory=dict)
    scenarios: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    connections: dict[int, dict[str, Sample]] = field(default_factory=dict)
    under_logins: dict[str, Sample] = field(default_factory=dict)
    logins: dict[str, float] = field(default_factory=dict)  # per second, meanwhile
    pages: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)  # ms, by sort
    start: dict[str, float] = field(default_factory=dict)  # seconds
    memory: dict[str, float] = field(default_factory=dict)  # MiB
    workers: dict[int, float] = field(default_factory=dict)  # requests per second


class Bench:
    """The project, its data, and the process of its database."""

    def __init__(self, project: Project, database: str) -> None:
        self.project = project
        self.python = str(project.folder / ".venv/bin/python")
        version = project.run("python", "--version").split()[1]
        self.results = Results(database, version)
        postmaster = project.folder / ".postgres/postmaster.pid"
        self.database = int(postmaster.read_text().split()[0]) if postmaster.exists() else None
        if self.database:
            processes.pin(self.database, OTHER_CORE)
        with self.serving(SERVICE) as server:
            self.data = Data(project, server.url)

    @contextlib.contextmanager
    def serving(
        self, name: str, *options: str, cores: tuple[int, ...] = (SERVER_CORE,)
    ) -> Generator[Server]:
        """Yield a server, which runs on the first core."""
        command = ("uvicorn", *COMMANDS[name], "--port", str(free_port()), *options)
        with self.project.serve(*command, DEBUG="false", **NO_RATE_LIMITS) as server:
            processes.pin(server.pid, *cores)
            yield server

    def start_client(
        self, server: Server, scenario: Scenario, connections: int, body: str, seconds: float
    ) -> Callable[[], dict[str, Any]]:
        """Start a load; return a function that waits for its result."""
        load = {
            "port": int(server.url.rpartition(":")[2]),
            "requests": [scenario.request(number) for number in range(connections)],
            "seconds": seconds,
            "status": scenario.status,
            "body": body,
            "is_fixed": scenario.is_fixed,
            "is_chained": scenario.is_chained,
        }
        command = [self.python, str(HERE / "client.py"), json.dumps(load)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.pin(client.pid, OTHER_CORE)

        def wait() -> dict[str, Any]:
            output, _ = client.communicate()
            result: dict[str, Any] = json.loads(output)
            if result["error"]:
                log = "\n".join(server.log().splitlines()[-20:])
                sys.exit(f"{scenario.name}: {result['error']}. The server's last lines:\n{log}")
            return result

        return wait

    def load(
        self,
        server: Server,
        scenario: Scenario,
        connections: int,
        seconds: float,
        body: str = "",
    ) -> tuple[Sample, str]:
        """Send requests without pause; return what they cost, and the body of the responses."""
        if scenario.is_chained:
            self.data.sessions = new_sessions(server.url, connections)
        wait = self.start_client(server, scenario, connections, body, seconds)
        before = self._cpu(server)
        result = wait()
        cpu, database_cpu = (b - a for a, b in zip(before, self._cpu(server), strict=True))
        times, count = sorted(result["latencies"]), len(result["ends"])
        sample = Sample(
            cpu=cpu / count * 1e6,
            database_cpu=database_cpu / count * 1e6,
            rate=count / result["seconds"],
            p50=times[len(times) // 2] * 1e3,
            p99=times[int(len(times) * 0.99)] * 1e3,
        )
        return sample, result["body"]

    def _cpu(self, server: Server) -> tuple[float, float]:
        database = processes.cpu_seconds(self.database) if self.database else 0.0
        return processes.cpu_seconds(server.pid), database


def measure(project: Project, database: str) -> Results:
    """Measure everything."""
    report_progress(f"a database of {ITEMS + OTHER_ITEMS:,} items")
    bench = Bench(project, database)
    for what, step in {
        # First: rows that are created later lie before those of a descending list.
        "pages of a long list": measure_pages,
        "each kind of request": measure_scenarios,
        "more and fewer clients": measure_connections,
        "reads while others log in": measure_under_logins,
        "start": measure_start,
        "two workers, if there are four cores": measure_workers,
    }.items():
        report_progress(what)
        step(bench)
    return bench.results


def report_progress(what: str) -> None:
    """Print what is measured next: a run takes minutes."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def measure_scenarios(bench: Bench) -> None:
    """Measure each kind of request on each server; the servers take turns."""
    results = bench.results
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(bench.serving(name)) for name in COMMANDS}
        for scenario in bench.data.scenarios():
            report_progress(scenario.name)
            body, samples = "", {name: list[Sample]() for name in scenario.servers or servers}
            for _ in range(ROUNDS):
                for name, found in samples.items():
                    sample, body = bench.load(servers[name], scenario, CLIENTS, SECONDS, body)
                    found.append(sample)
            results.scenarios[scenario.name] = samples
            if scenario.goal:
                results.goals[scenario.name] = scenario.goal
        results.memory = {
            name: processes.memory_mib(server.pid) for name, server in servers.items()
        }


def measure_connections(bench: Bench) -> None:
    """Measure reads by 1, 4, 16 and 64 clients."""
    scenario = bench.data.scenarios()[1]
    with bench.serving(SERVICE) as service, bench.serving(CEILING) as ceiling:
        for count in (1, 4, 16, CONNECTIONS):
            bench.results.connections[count] = {
                name: bench.load(server, scenario, count, 3 * SECONDS)[0]
                for name, server in ((SERVICE, service), (CEILING, ceiling))
            }


def measure_under_logins(bench: Bench) -> None:
    """Measure reads while others log in without pause."""
    scenarios = {scenario.name: scenario for scenario in bench.data.scenarios()}
    for name in (SERVICE, CEILING, NAIVE):
        with bench.serving(name) as server:
            seconds = 5 * SECONDS
            wait = bench.start_client(server, scenarios["login"], LOGINS, "", seconds + 3 * SECONDS)
            time.sleep(SECONDS)
            start = time.monotonic()  # which the client shares
            bench.results.under_logins[name], _ = bench.load(
                server, scenarios["users/me"], LOGINS, seconds
            )
            end = time.monotonic()
            meanwhile = [login for login in wait()["ends"] if start < login < end]
            bench.results.logins[name] = len(meanwhile) / (end - start)


def measure_pages(bench: Bench) -> None:
    """Measure pages of a long list, by `skip` and by the cursor of the page before."""
    with bench.serving(SERVICE) as server:
        headers = {"Authorization": f"Bearer {bench.data.other['access_token']}"}
        address = f"{server.url}/api/v1/items/"
        with httpx2.Client(base_url=address, headers=headers, timeout=60) as client:
            for sort in SORTS:
                bench.results.pages[sort] = _page_times(client, sort)


def _page_times(client: httpx2.Client, sort: str) -> dict[int, dict[str, float]]:
    """Return the times of pages in ms, by row, by keyset and by offset."""
    keyset = {depth: _keyset_page(client, sort, depth) for depth in DEPTHS}
    skip: dict[int, Params] = {depth: {"sort": sort, "skip": depth} for depth in DEPTHS}
    for depth in DEPTHS:
        pages = [client.get("", params=params[depth]) for params in (keyset, skip)]
        assert pages[0].raise_for_status().json() == pages[1].json()
    # Each kind by itself: a slow page by offset takes the caches of the CPU from the next one.
    times = {"keyset": _times_in_turns(client, keyset), "skip": _times_in_turns(client, skip)}
    return {depth: {kind: found[depth] for kind, found in times.items()} for depth in DEPTHS}


def _keyset_page(client: httpx2.Client, sort: str, depth: int) -> Params:
    """Return the parameters of the page that begins after a number of rows."""
    if not depth:
        return {"sort": sort}
    before = client.get("", params={"sort": sort, "skip": depth - 1, "limit": 1})
    return {"sort": sort, "after": httpx2.URL(before.links["next"]["url"]).params["after"]}


def _times_in_turns(client: httpx2.Client, pages: dict[int, Params]) -> dict[int, float]:
    """Return the median time of each page in ms."""
    times: dict[int, list[float]] = {depth: [] for depth in pages}
    for _ in range(PAGES):
        for depth, params in pages.items():
            start = time.perf_counter()
            client.get("", params=params)
            times[depth].append((time.perf_counter() - start) * 1e3)
    return {depth: median(found) for depth, found in times.items()}


def measure_start(bench: Bench) -> None:
    """Measure the time from starting a server to its first response."""
    for name in (SERVICE, CEILING, NAIVE):
        bench.results.start[name] = min(_start_seconds(bench, name) for _ in range(STARTS))


def _start_seconds(bench: Bench, name: str) -> float:
    port = free_port()
    command = ("uvicorn", *COMMANDS[name], "--port", str(port))
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=bench.project.folder,
        env=bench.project.variables,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as server:
        while not _responds(f"http://127.0.0.1:{port}/health/live"):
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        server.terminate()
    return seconds


def _responds(url: str) -> bool:
    try:
        return httpx2.get(url).is_success
    except httpx2.TransportError:
        return False


def measure_workers(bench: Bench) -> None:
    """Compare two workers with one, where there is a core for each and others for the rest."""
    if len(processes.CORES) < 4:  # noqa: PLR2004 - two workers, the database, the client
        return
    scenario = bench.data.scenarios()[1]
    for count in (1, 2):
        with bench.serving(SERVICE, "--workers", str(count), cores=(2, 3)) as server:
            sample, _ = bench.load(server, scenario, CONNECTIONS, 3 * SECONDS)
            bench.results.workers[count] = sample.rate
