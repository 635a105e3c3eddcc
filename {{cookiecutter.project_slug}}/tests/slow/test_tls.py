"""PostgreSQL over TCP with TLS, if a server with TLS is installed."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
import trustme
from pydantic import TypeAdapter
from sqlalchemy import make_url

from app.setting_types import DatabaseUrl
from tests.database import execute
from tests.helpers import ROOT

ADAPTER = TypeAdapter(DatabaseUrl)

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
# The server of the development dependencies has no TLS.
PROGRAMS = FOLDERS[-1] if FOLDERS else Path(shutil.which("initdb") or "").parent
USER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL does not run as root
PASSWORD = "Pass@w0rd/?"

# A system package, so no dependency of the project can install it.
pytestmark = pytest.mark.skipif(
    find_spec("asyncpg") is None or not (PROGRAMS / "initdb").exists(),
    reason="requires asyncpg, and a PostgreSQL server with TLS",
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Generator[str]:
    """Yield the address of a server that accepts connections with TLS and a password only."""
    folder = Path(tempfile.mkdtemp(prefix="test-tls-"))
    data = folder / "data"
    (folder / "password").write_text(PASSWORD)
    if USER:
        subprocess.run(["/bin/chown", "-R", "nobody", str(folder)], check=True)
    arguments = ["--username=me", "--auth=scram-sha-256", "--encoding=UTF8"]
    arguments.append(f"--pwfile={folder / 'password'}")
    initdb = [str(PROGRAMS / "initdb"), "-D", str(data), *arguments]
    subprocess.run(initdb, check=True, capture_output=True, user=USER)
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.cert_chain_pems[0].write_to_path(data / "server.crt")
    certificate.private_key_pem.write_to_path(data / "server.key")
    (data / "server.key").chmod(0o600)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    if USER:
        subprocess.run(["/bin/chown", "-R", "nobody", str(data)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-c", "ssl=on", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    postgres = [str(PROGRAMS / "postgres"), "-D", str(data), "-p", str(port), *options]
    with subprocess.Popen(postgres, stderr=subprocess.DEVNULL, user=USER) as process:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield f"postgres://me:{PASSWORD}@127.0.0.1:{port}"
        process.terminate()
    shutil.rmtree(folder)


def run(
    url: str, *command: str, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python module with a database URL."""
    environment = os.environ | {"DATABASE_URL": url, **variables}
    program = [sys.executable, "-m", *command]
    return subprocess.run(
        program, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_url_of_a_managed_database_works_for_migrations_commands_and_tests(
    server: str, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    url = f"{server}/postgres?sslmode=require"
    asyncio.run(execute("CREATE DATABASE app_test", make_url(ADAPTER.validate_python(url))))

    migrated = run(url, "alembic", "upgrade", "head")
    purged = run(url, "app.cli", "purge")
    create = run(url, "app.cli", "list-sessions", "--email", "nobody@example.com")
    tested = run(
        url, "pytest", "-q", "-x", "-n0", "tests/test_items.py", "tests/test_email_delivery.py",
        TEST_DATABASE_URL=f"{server}/app_test?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem",
    )  # fmt: skip

    assert migrated.returncode == 0, migrated.stderr
    assert purged.stdout == "Expired rows deleted.\n", purged.stderr
    assert create.stderr == "User not found.\n"
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_certificate_of_the_server_is_verified(
    server: str, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    verified = f"{server}/postgres?sslmode=verify-full"

    trusted = run(f"{verified}&sslrootcert={tmp_path}/ca.pem", "alembic", "upgrade", "head")
    by_system = run(verified, "alembic", "upgrade", "head", SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    unknown = run(verified, "app.cli", "purge")
    unencrypted = run(f"{server}/postgres?sslmode=disable", "app.cli", "purge")

    assert trusted.returncode == 0, trusted.stderr
    assert by_system.returncode == 0, by_system.stderr
    assert (unknown.returncode, unencrypted.returncode) == (1, 1)
    assert "Traceback" not in unknown.stderr + unencrypted.stderr
