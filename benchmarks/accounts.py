"""Timing differences that could reveal accounts, and the latency of others while logins run.

`uv run python -m benchmarks.accounts` bakes and installs a project, and measures a server with one
worker, on the database of the first argument (sqlite). Times are in milliseconds.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import httpx2

from tests.conftest import CHOICES
from tests.projects import DEFAULT_PYTHON, Project, free_port, interpreters

RUNS = 30
ROOT = Path(__file__).parents[1]
PASSWORD = "Correct1Horse"  # noqa: S105 - of users that live for a minute
NO_RATE_LIMITS = dict.fromkeys(
    (
        "LOGIN_RATE_PER_IP_AND_EMAIL",
        "LOGIN_RATE_PER_IP",
        "LOGIN_RATE_PER_EMAIL",
        "EMAIL_RATE_PER_IP",
        "EMAIL_RATE_PER_RECIPIENT",
        "REGISTRATION_RATE_PER_IP",
    ),
    "1000000/60",
)
UNREACHABLE = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": "1"}


def milliseconds(call: Callable[[], httpx2.Response]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def compare(
    name: str, one: Callable[[], httpx2.Response], two: Callable[[], httpx2.Response]
) -> None:
    """Print the medians of two interleaved calls that must not be distinguishable."""
    assert (one().status_code, one().content) == (two().status_code, two().content)
    rounds = [(milliseconds(one), milliseconds(two)) for _ in range(RUNS)]
    first, second = (statistics.median(column) for column in zip(*rounds, strict=True))
    apart = abs(first - second) / min(first, second)
    print(f"{name:<28} {first:7.2f} {second:7.2f}   {apart:5.1%} apart (goal 20 %)")


def percentile(values: list[float], share: float) -> float:
    """Return a percentile."""
    return sorted(values)[int(len(values) * share)]


def compare_timing(client: httpx2.Client) -> None:
    """Compare known and unknown emails, verified and unverified ones."""

    def login(name: str) -> Callable[[], httpx2.Response]:
        form = {"username": f"{name}@example.com", "password": "Wrong1Horse"}
        return lambda: client.post("/auth/login", data=form)

    def forgot(name: str) -> Callable[[], httpx2.Response]:
        return lambda: client.post("/auth/password/forgot", json={"email": f"{name}@example.com"})

    def request(headers: dict[str, str]) -> Callable[[], httpx2.Response]:
        return lambda: client.post("/auth/email/verify/request", headers=headers)

    compare("login, known or unknown", login("ann"), login("nobody"))
    compare("forgot, known or unknown", forgot("ann"), forgot("nobody"))
    compare(
        "verify, verified or not", request(log_in(client, "root")), request(log_in(client, "ann"))
    )


def log_in(client: httpx2.Client, name: str) -> dict[str, str]:
    """Log in, and return the Authorization header."""
    form = {"username": f"{name}@example.com", "password": PASSWORD}
    token = client.post("/auth/login", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def load(client: httpx2.Client, url: str) -> None:
    """Print the latency of reads while eight clients log in without pause."""
    headers = log_in(client, "ann")

    def live() -> httpx2.Response:
        return client.get(f"{url}/health/live")

    def read() -> httpx2.Response:
        return client.get("/users/me", headers=headers)

    quiet = statistics.median(milliseconds(read) for _ in range(300))
    over = threading.Event()

    def log_in_without_pause() -> None:
        with httpx2.Client(base_url=client.base_url, timeout=60) as own:
            while not over.is_set():
                log_in(own, "ann")

    threads = [threading.Thread(target=log_in_without_pause) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    lives = [milliseconds(live) for _ in range(500)]
    reads = [milliseconds(read) for _ in range(500)]
    over.set()
    for thread in threads:
        thread.join()
    print(f"p99 of /health/live under logins {percentile(lives, 0.99):7.2f} (goal 100)")
    slow = percentile(reads, 0.99)
    print(f"p99 of a read {slow:.2f}, quiet p50 {quiet:.2f}: {slow / quiet:.1f} times (goal 10)")


@contextlib.contextmanager
def installed(database: str) -> Generator[Project]:
    """Yield an installed and migrated project, with its default version of Python if found."""
    if database not in CHOICES["database"]:
        sys.exit(f"The database is {' or '.join(CHOICES['database'])}, not {database}.")
    with tempfile.TemporaryDirectory() as folder:
        bake = (sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", "-o", folder)
        subprocess.run([*bake, f"database={database}"], check=True, stdout=subprocess.DEVNULL)
        project = Project(next(Path(folder).iterdir()), interpreters().get(DEFAULT_PYTHON))
        env = project.folder / ".env"
        env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
        try:
            project.run("make", "migrate")
            yield project
        finally:
            if database == "postgresql":
                project.run("make", "postgres-stop")


def main() -> None:
    """Measure and print."""
    database = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
    with installed(database) as project:
        create = ["python", "-m", "app.cli", "create-superuser", "--email", "root@example.com"]
        project.run(*create, "--full-name", "Root", "--password-stdin", stdin=PASSWORD)
        serve = ("uvicorn", "app.main:app", "--no-access-log", "--port", str(free_port()))
        variants = {"emails are logged": {}, "SMTP server is unreachable": UNREACHABLE}
        for name, variables in variants.items():
            print(name)
            with project.serve(*serve, **NO_RATE_LIMITS, **variables) as server:
                base_url = f"{server.url}/api/v1"
                with httpx2.Client(base_url=base_url, timeout=60) as client:
                    body = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}
                    client.post("/users/", json=body)
                    compare_timing(client)
                    if not variables:
                        load(client, server.url)


if __name__ == "__main__":
    main()
