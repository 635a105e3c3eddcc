"""Generated projects: installed into their own environment, tested and called over HTTP."""

import gzip
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pexpect
import pytest
from oauthlib.oauth2 import LegacyApplicationClient
from playwright.sync_api import ConsoleMessage, sync_playwright
from requests_oauthlib import OAuth2Session

from tests.conftest import CHOICES, ROOT, Bake
from tests.projects import (
    DEFAULT_PYTHON,
    UV,
    Project,
    free_port,
    in_a_group,
    interpreters,
    is_ready,
)

PASSWORD = "Correct1Horse"  # noqa: S105 - of users that live for a second
SERVE = ("uvicorn", "app.main:app", "--port")
# Commands of the instructions, and the tests that run them.
RUN_BY_OTHER_TESTS = {
    "make dev": "test_make.py",
    "make test": "test_make.py",
    "make check": "edits/test_edits.py",
    "make ci": "edits/test_edits.py",
    "make migration": "edits/test_edits.py",
    "make resource": "test_resource.py",
}
# Sessions that were ever opened on the developer's PostgreSQL database, from another one.
COUNT_SESSIONS = """
import asyncio
from sqlalchemy import make_url
from app.config import settings
from app.db.session import build_engine

url = make_url(settings.DATABASE_URL)
query = f"SELECT sessions FROM pg_stat_database WHERE datname = '{url.database}'"

async def main():
    engine = build_engine(url.set(database="postgres").render_as_string(hide_password=False))
    async with engine.connect() as connection:
        print((await connection.exec_driver_sql(query)).scalar_one())

asyncio.run(main())
"""
ANN: dict[str, Any] = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}


@pytest.fixture(
    scope="module", params=[in_a_group(__name__, value) for value in CHOICES["database"]]
)
def project(request: pytest.FixtureRequest, bake: Bake) -> Iterator[Project]:
    """Yield an installed project for each database: on PostgreSQL, with its own Python if found."""
    python = interpreters().get(DEFAULT_PYTHON) if request.param == "postgresql" else None
    project = Project(bake(database=request.param), python)
    env = project.folder / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
    project.run("make", "migrate")
    yield project
    if request.param == "postgresql":
        project.run("make", "postgres-stop")


def test_suite_passes_and_covers_every_branch(project: Project) -> None:
    before = developers_database(project)

    output = project.run("pytest", "-v", "--cov=app", "tests/")

    assert re.search(r"^TOTAL .* 100%$", output, re.MULTILINE), output
    assert developers_database(project) == before


def developers_database(project: Project) -> object:
    """Return what changes if somebody uses the developer's database."""
    file = project.folder / "app.db"
    return file.read_bytes() if file.exists() else project.run("python", "-c", COUNT_SESSIONS)


@pytest.mark.parametrize(
    "command",
    [
        "ruff check app/ tests/",
        "ruff format --check app/ tests/",
        "ruff check .",
        "ruff format --check .",
        "mypy app/",
        "mypy --strict .",
        "lint-imports",
    ],
)
def test_code_passes_every_check(project: Project, command: str) -> None:
    project.run(*command.split())


def test_types_pass_a_second_type_checker(project: Project) -> None:
    python = f"{project.folder}/.venv/bin/python"

    project.run(str(Path(sys.prefix, "bin", "ty")), "check", "--python", python)


def test_migrations_are_complete_and_work_both_ways(project: Project) -> None:
    project.run("alembic", "check")
    autogenerate = ("alembic", "revision", "--autogenerate", "-m", "Description")
    assert "No migration is needed" in project.run(*autogenerate)
    project.run("alembic", "revision", "-m", "Description")
    (made,) = project.folder.glob("alembic/versions/*_description.py")
    project.run("ruff", "check", ".")
    project.run("ruff", "format", "--check", ".")
    project.run("alembic", "upgrade", "head")
    project.run("alembic", "downgrade", "base")
    made.unlink()
    project.run("alembic", "upgrade", "head")


def test_vulnerable_dependencies_of_python_jose_are_not_installed(project: Project) -> None:
    find = "from importlib.util import find_spec; print(find_spec('ecdsa'), find_spec('rsa'))"

    assert project.run("python", "-c", find).split() == ["None", "None"]


def test_commands_work_with_uv_run(project: Project) -> None:
    assert "(head)" in project.run(UV, "run", "alembic", "current")
    assert project.run(UV, "run", "ruff", "--version")


@pytest.mark.parametrize(
    "command", ["uvicorn app.main:app --reload --host 127.0.0.1 --port {}", "fastapi dev --port {}"]
)
def test_development_server_starts(project: Project, command: str) -> None:
    with project.serve(*command.format(free_port()).split()) as server:
        assert is_ready(server.url)


@pytest.mark.parametrize("command", ["fastapi dev --port {}", "uvicorn app.main:app --port {}"])
def test_ctrl_c_stops_the_server_gracefully_without_traceback(
    project: Project, command: str
) -> None:
    terminal = pexpect.spawn(
        command.format(free_port()),
        cwd=str(project.folder),
        env=project.variables,
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect_exact("Application startup complete")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)

    assert "Application shutdown complete" in (terminal.before or "")
    assert "Traceback" not in (terminal.before or "")


def test_every_documented_operation_works_on_a_server(project: Project) -> None:
    create = ["python", "-m", "app.cli", "create-superuser", "--email", "root@example.com"]
    project.run(*create, "--full-name", "Root", "--password-stdin", stdin=PASSWORD)

    with project.serve(*SERVE, str(free_port())) as server:
        assert walk(server.url, server.log) == documented(server.url)


def documented(url: str) -> set[str]:
    """Return the operations in the OpenAPI document of a server."""
    document = httpx2.get(f"{url}/api/v1/openapi.json").json()
    return {f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods}


class Walker:
    """A client that records which operations have succeeded."""

    def __init__(self, client: httpx2.Client) -> None:
        """Use a client of a server."""
        self.client = client
        self.walked: set[str] = set()

    def call(
        self, operation: str, *ids: object, code: int = 200, **body: object
    ) -> httpx2.Response:
        """Call an operation, with ids for the names in its path."""
        method, path = operation.split()
        for value in ids:
            path = re.sub(r"\{\w+\}", str(value), path, count=1)
        form = path.endswith(("/login", "/refresh"))
        response = self.client.request(
            method, path, data=body if form else None, json=body if body and not form else None
        )
        assert response.status_code == code, f"{operation}: {response.text}"
        self.walked.add(operation)
        return response

    def log_in(self, email: str, password: str = PASSWORD) -> dict[str, str]:
        """Log in, and return the tokens."""
        response = self.call("POST /api/v1/auth/login", username=email, password=password)
        tokens: dict[str, str] = response.json()
        self.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return tokens


def walk(url: str, log: Callable[[], str]) -> set[str]:
    """Call all operations as users would, and return those that succeeded."""
    with httpx2.Client(base_url=url, timeout=30) as client:
        walker = Walker(client)
        call = walker.call
        call("GET /health/live")
        call("GET /health/ready")
        ann = call("POST /api/v1/users/", code=201, **ANN).json()["id"]
        verify = emailed_token(log, "verify")
        call("POST /api/v1/auth/email/verify", token=verify, current_password=PASSWORD)
        tokens = walker.log_in(ANN["email"])
        refresh_token = tokens["refresh_token"]
        call("POST /api/v1/auth/refresh", grant_type="refresh_token", refresh_token=refresh_token)
        assert call("GET /api/v1/users/me").json()["is_verified"]
        call("PATCH /api/v1/users/me", full_name="Ann Lee")
        item = call("POST /api/v1/items/", code=201, title="Lamp").json()["id"]
        call("GET /api/v1/items/")
        call("GET /api/v1/items/{item_id}", item)
        call("PATCH /api/v1/items/{item_id}", item, title="Light")
        call("DELETE /api/v1/items/{item_id}", item, code=204)
        call("POST /api/v1/auth/email/verify/request", code=202)
        walker.log_in(ANN["email"])
        session = call("GET /api/v1/auth/sessions").json()[1]["id"]
        call("DELETE /api/v1/auth/sessions/{session_id}", session, code=204)
        call("POST /api/v1/auth/logout", code=204)
        walker.log_in(ANN["email"])
        call("PATCH /api/v1/users/me", email="ann.lee@example.com", current_password=PASSWORD)
        call("POST /api/v1/auth/email/undo", code=204, token=emailed_token(log, "undo"))
        call("POST /api/v1/auth/password/forgot", code=202, email=ANN["email"])
        reset = emailed_token(log, "reset")
        call(
            "POST /api/v1/auth/password/reset",
            code=204,
            token=reset,
            new_password="Another1Horse",  # noqa: S106 - of a test user
        )
        walker.log_in(ANN["email"], "Another1Horse")
        call("DELETE /api/v1/auth/sessions", code=204)
        walker.log_in("root@example.com")
        call("GET /api/v1/users/")
        call("GET /api/v1/users/{user_id}", ann)
        confirmed: dict[str, Any] = {"current_password": PASSWORD}
        call("PATCH /api/v1/users/{user_id}", ann, is_superuser=True, **confirmed)
        call("DELETE /api/v1/users/{user_id}", ann, code=204)
        call("POST /api/v1/users/", code=201, **ANN)
        walker.log_in(ANN["email"])
        call("DELETE /api/v1/users/me", code=204, **confirmed)
    return walker.walked


def emailed_token(log: Callable[[], str], purpose: str) -> str:
    """Return the token of the newest email in the log of a server in development."""
    for _ in range(50):
        if tokens := re.findall(rf"/{purpose}\?token=([\w-]+)", log()):
            return str(tokens[-1])
        time.sleep(0.1)
    raise AssertionError(log())


def test_oauth2_client_library_logs_in_refreshes_and_logs_out(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # plain HTTP, on this machine
    with project.serve(*SERVE, str(free_port())) as server:
        auth = f"{server.url}/api/v1/auth"
        body = ANN | {"email": "oauth@example.com"}
        assert httpx2.post(f"{server.url}/api/v1/users/", json=body).status_code == 201
        saved: list[dict[str, str]] = []
        oauth = OAuth2Session(
            client=LegacyApplicationClient(client_id="app"),
            auto_refresh_url=f"{auth}/refresh",
            auto_refresh_kwargs={"client_id": "app"},
            token_updater=saved.append,
        )
        first = oauth.fetch_token(f"{auth}/login", username=body["email"], password=PASSWORD)
        assert oauth.get(f"{server.url}/api/v1/users/me").json()["email"] == body["email"]

        oauth.token = first | {"expires_at": 1}  # as after half an hour
        assert oauth.get(f"{server.url}/api/v1/users/me").ok
        (renewed,) = saved
        assert renewed["refresh_token"] != first["refresh_token"]

        assert oauth.post(f"{auth}/logout").status_code == 204
        assert oauth.get(f"{server.url}/api/v1/users/me").status_code == 401


def test_login_rate_limit_is_shared_by_two_instances(project: Project) -> None:
    wrong = {"username": "victim@example.com", "password": "Wrong1Horse"}
    with (
        project.serve(*SERVE, str(free_port())) as one,
        project.serve(*SERVE, str(free_port())) as two,
        httpx2.Client(timeout=30) as client,
    ):
        urls = [f"{server.url}/api/v1/auth/login" for server in (one, two)]
        codes = Counter(client.post(urls[n % 2], data=wrong).status_code for n in range(1000))

        assert codes == {401: 5, 429: 995}
        assert "Wrong1Horse" not in one.log() + two.log()
        assert "victim" not in one.log() + two.log()


class Collector(BaseHTTPRequestHandler):
    """An OpenTelemetry collector."""

    received: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        """Receive an export."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.received[self.path] = self.received.get(self.path, b"") + body
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_opentelemetry_exports_without_rejected_input(project: Project) -> None:
    project.run(UV, "sync", "--quiet", "--group", "telemetry")
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        variables = {
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with project.serve(*SERVE, str(free_port()), **variables) as server:
            weak = ANN | {"email": "traced@example.com", "password": "weakpassword"}
            users = f"{server.url}/api/v1/users/"
            assert httpx2.post(users, json=weak).status_code == 422
            for path in ("", "nowhere", "me"):
                assert httpx2.get(f"{users}{path}?password=weakpassword").is_error
            time.sleep(1)
        collector.shutdown()

    assert Collector.received.keys() == {"/v1/traces", "/v1/metrics"}
    for body in Collector.received.values():
        assert b"/api/v1/users/" in body
        assert b"weakpassword" not in body, re.findall(rb"[ -~]{4,}", body)
    assert b"REDACTED" in Collector.received["/v1/traces"]


def find_browser() -> str | None:
    """Return the path of Chromium, if this machine has it."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


# Chromium is a system package.
@pytest.mark.skipif(find_browser() is None, reason="chromium is not installed")
def test_swagger_ui_works_in_a_browser_without_internet(project: Project) -> None:
    with project.serve(*SERVE, str(free_port())) as server, sync_playwright() as playwright:
        body = ANN | {"email": "browser@example.com"}
        assert httpx2.post(f"{server.url}/api/v1/users/", json=body).status_code == 201
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page()
        problems: list[str] = []

        def record(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                problems.append(message.text)

        page.on("console", record)
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto(f"{server.url}/docs")

        page.get_by_role("button", name="Authorize").click()
        page.get_by_label("username:").fill(body["email"])
        page.get_by_label("password:").fill(PASSWORD)
        page.get_by_label("Authorize", exact=True).or_(
            page.locator(".auth-btn-wrapper").get_by_text("Authorize", exact=True)
        ).first.click()
        page.get_by_role("button", name="Close").click()
        operation = page.locator("#operations-users-get_me")
        operation.click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        shown = operation.locator(".live-responses-table").get_by_text(body["email"])
        shown.first.wait_for(timeout=10_000)
        browser.close()

    assert problems == []


@pytest.mark.skipif(find_browser() is None, reason="chromium is not installed")
def test_email_is_verified_by_clicks_in_development(project: Project) -> None:
    variables = {"DEBUG": "true", "SMTP_HOST": ""}
    with project.serve(*SERVE, str(free_port()), **variables) as server:
        body = ANN | {"email": "clicks@example.com"}
        assert httpx2.post(f"{server.url}/api/v1/users/", json=body).status_code == 201
        with sync_playwright() as playwright:
            path = find_browser()
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(server.url)
            page.get_by_role("link", name="Emails").click()
            page.get_by_role("link", name="/verify?token=").click()
            page.get_by_label("Current password").fill(PASSWORD)
            page.get_by_role("button").click()
            page.get_by_text("Done.").wait_for(timeout=10_000)
            page.goto(f"{server.url}/dev/forgot")
            page.get_by_label("Email").fill(body["email"])
            page.get_by_role("button").click()
            page.get_by_text("Done.").wait_for(timeout=10_000)
            page.goto(f"{server.url}/dev/emails")
            page.get_by_role("link", name="/reset?token=").click()
            page.get_by_label("New password").fill("short")
            page.get_by_role("button").click()
            page.get_by_text("body.new_password: ").wait_for(timeout=10_000)
            browser.close()
        form = {"username": body["email"], "password": PASSWORD}
        response = httpx2.post(f"{server.url}/api/v1/auth/login", data=form)
        token = response.json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        me = httpx2.get(f"{server.url}/api/v1/users/me", headers=headers)
    assert me.json()["is_verified"]


def test_database_of_development_is_emptied_seeded_and_queried(project: Project) -> None:
    project.run("make", "db-reset")
    users = re.findall(r"^(\S+@\S+) (\S+)$", project.run("make", "seed"), re.MULTILINE)

    with project.serve(*SERVE, str(free_port())) as server:
        for email, password in users:
            form = {"username": email, "password": password}
            response = httpx2.post(f"{server.url}/api/v1/auth/login", data=form)
            assert response.status_code == 200
    assert "exist already" in project.run("make", "seed")
    query = "print((await db.scalars(select(User.email).order_by(User.id))).all())\n"
    assert str([email for email, _ in reversed(users)]) in project.run("make", "shell", stdin=query)


@pytest.mark.parametrize("target", ["seed", "db-reset"])
def test_commands_of_development_refuse_to_run_in_production(project: Project, target: str) -> None:
    with pytest.raises(AssertionError, match="This is for development"):
        project.run("sh", "-c", f"DEBUG=false make {target}")


def commands_of_the_instructions(project: Project) -> set[str]:
    """Return the commands in the instructions for people and coding agents."""
    texts = [(project.folder / name).read_text() for name in ("AGENTS.md", "CONTRIBUTING.md")]
    found = re.findall(r"`((?:make|\.venv/bin/)[^`]*)`", "".join(texts))
    return {re.sub(r"^(make resource) .*", r"\1", command) for command in found}


def test_every_command_of_the_instructions_runs(project: Project) -> None:
    commands = commands_of_the_instructions(project)
    assert commands >= RUN_BY_OTHER_TESTS.keys()
    for command in sorted(commands - RUN_BY_OTHER_TESTS.keys()):
        project.run("sh", "-c", command)

    assert "No migration is needed" in project.run("sh", "-c", 'make migration m="Add colour"')
    for name in RUN_BY_OTHER_TESTS.values():
        assert (ROOT / "tests" / name).exists()


def test_tests_of_the_original_document_pass(project: Project, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project.folder, copy, ignore=shutil.ignore_patterns("tests", ".postgres"))
    shutil.copytree(ROOT / "tests" / "seed", copy / "tests")

    output = subprocess.run(
        ["pytest", "-v"],
        cwd=copy,
        env=project.variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 passed" in output.stdout, output.stdout


def test_weak_secret_key_stops_the_service(project: Project) -> None:
    for secret in ("changethis", "secret" * 8):  # an empty one is that of `.env`
        done = subprocess.run(
            ["uvicorn", "app.main:app", "--port", "0"],
            cwd=project.folder,
            env=project.variables | {"SECRET_KEY": secret},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode != 0
        assert "SECRET_KEY" in done.stderr
        assert "generate one with" in done.stderr
        assert "Traceback" not in done.stderr
