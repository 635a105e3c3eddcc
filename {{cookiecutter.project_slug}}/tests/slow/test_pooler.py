"""PgBouncer in transaction mode, if it is installed."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from itertools import chain
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import URL, make_url

from tests.helpers import API, NEW_USER, PASSWORD, ROOT
from tests.slow.conftest import on_postgresql
from tests.slow.server import serving

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

pytestmark = [
    on_postgresql,
    # It is a system package, so no dependency of the project can install it.
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed"),
]


def configuration(database: URL, port: int) -> str:
    """Return the configuration of a pooler with two connections to the database."""
    login = {"user": database.username, "password": database.password or ""}
    place = {"host": host_of(database), "port": database.port or 5432}
    options = " ".join(f"{name}={value}" for name, value in (place | login).items() if value)
    return f"""
[databases]
{database.database} = {options}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


def host_of(database: URL) -> str:
    """Return the host, or the folder of a Unix socket."""
    return str(database.host or database.query["host"])


@pytest.fixture
def pooled(database: str, tmp_path: Path) -> Generator[str]:
    """Yield the URL of the database through PgBouncer."""
    assert PROGRAM
    direct = make_url(database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "pgbouncer.ini"
    file.write_text(configuration(direct, port))
    socket_folder = Path(host_of(direct))
    owner = socket_folder.owner() if socket_folder.exists() else "nobody"
    user = ["-u", owner] if os.geteuid() == 0 else []  # it does not run as root
    with subprocess.Popen([PROGRAM, "-q", *user, str(file)]) as process:
        try:
            wait_for(port)
            url = URL.create(direct.drivername, "any", "any", "127.0.0.1", port)
            yield url.set(database=direct.database).render_as_string(hide_password=False)
        finally:
            process.kill()


def wait_for(port: int) -> None:
    """Wait until a server listens."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)


def test_migrations_work_behind_pgbouncer(pooled: str) -> None:
    environment = os.environ | {"DATABASE_URL": pooled, "DATABASE_POOLER": "true"}
    for revision in ("base", "head"):
        way = "downgrade" if revision == "base" else "upgrade"
        done = subprocess.run(
            [sys.executable, "-m", "alembic", way, revision],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


async def test_service_works_behind_pgbouncer_in_transaction_mode(
    pooled: str, tmp_path: Path
) -> None:
    with serving(pooled, tmp_path / "server", DATABASE_POOLER="true") as service:
        url = f"{service.url()}{API}"
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:

            async def use_service(number: int) -> list[int]:
                email = f"pooled{number}@example.com"
                body = NEW_USER | {"email": email, "password": PASSWORD}
                form = {"username": email, "password": PASSWORD}
                codes = [(await client.post("/users/", json=body)).status_code]
                login = await client.post("/auth/login", data=form)
                headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
                for _ in range(5):
                    new = {"full_name": f"P{number}"}
                    changed = await client.patch("/users/me", json=new, headers=headers)
                    found = await client.get("/users/me", headers=headers)
                    codes += [changed.status_code, found.status_code]
                return codes

            codes = Counter(chain(*await asyncio.gather(*map(use_service, range(10)))))

    assert codes == {201: 10, 200: 100}
