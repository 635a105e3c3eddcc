"""Does the result work, installed from its own project file into an environment of its own?"""

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from oauthlib.oauth2 import LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.conftest import CHOICES, ROOT, Bake
from tests.projects import UV, Project, free_port, is_ready

PASSWORD = "Correct1Horse"  # noqa: S105 - of users that live for a second
SERVE = ("uvicorn", "app.main:app", "--port")
ANN: dict[str, Any] = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}


def in_a_group(value: str) -> object:
    """Return a parameter whose tests run one after the other, on one worker."""
    return pytest.param(value, marks=pytest.mark.xdist_group(value))


@pytest.fixture(scope="module", params=[in_a_group(value) for value in CHOICES["database"]])
def project(request: pytest.FixtureRequest, bake: Bake) -> Iterator[Project]:
    """Yield an installed project for each database."""
    project = Project(bake(database=request.param))
    env = project.folder / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
    project.run("make", "migrate")
    yield project
    if request.param == "postgresql":
        project.run("make", "postgres-stop")


def test_the_suite_passes_and_covers_every_branch(project: Project) -> None:
    before = (project.folder / "app.db").exists() and (project.folder / "app.db").read_bytes()

    output = project.run("pytest", "-v", "--cov=app", "tests/")

    assert re.search(r"^TOTAL .* 100%$", output, re.MULTILINE), output
    after = (project.folder / "app.db").exists() and (project.folder / "app.db").read_bytes()
    assert before == after


def test_the_suite_passes_on_several_workers(project: Project) -> None:
    assert "passed" in project.run("make", "coverage")  # the slow ones as well


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
def test_the_code_is_clean(project: Project, command: str) -> None:
    project.run(*command.split())


def test_migrations_are_complete_and_go_both_ways(project: Project) -> None:
    project.run("alembic", "check")
    project.run("alembic", "revision", "--autogenerate", "-m", "Description")
    (made,) = project.folder.glob("alembic/versions/*_description.py")
    project.run("ruff", "check", ".")
    project.run("ruff", "format", "--check", ".")
    project.run("alembic", "upgrade", "head")
    project.run("alembic", "downgrade", "base")
    made.unlink()
    project.run("alembic", "upgrade", "head")


def test_commands_work_through_uv_as_well(project: Project) -> None:
    assert "(head)" in project.run(UV, "run", "alembic", "current")
    assert project.run(UV, "run", "ruff", "--version")


@pytest.mark.parametrize(
    "command", ["uvicorn app.main:app --reload --host 127.0.0.1 --port {}", "fastapi dev --port {}"]
)
def test_the_development_server_starts(project: Project, command: str) -> None:
    with project.serve(*command.format(free_port()).split()) as server:
        assert is_ready(server.address)


def test_every_documented_route_answers_on_a_real_server(project: Project) -> None:
    create = ["python", "-m", "app.cli", "create-superuser", "--email", "root@example.com"]
    project.run(*create, "--full-name", "Root", "--password-stdin", stdin=PASSWORD)

    with project.serve(*SERVE, str(free_port())) as server:
        assert walk(server.address, server.log) == documented(server.address)


def documented(address: str) -> set[str]:
    """Return the operations in the documentation of a server."""
    document = httpx2.get(f"{address}/api/v1/openapi.json").json()
    return {f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods}


class Walker:
    """A client that notes which operations have answered as they should."""

    def __init__(self, client: httpx2.Client) -> None:
        """Begin with a client of a server."""
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


def walk(address: str, log: Callable[[], str]) -> set[str]:
    """Call operation after operation as users would, and return those that answered well."""
    with httpx2.Client(base_url=address, timeout=30) as client:
        walker = Walker(client)
        call = walker.call
        call("GET /health/live")
        call("GET /health/ready")
        ann = call("POST /api/v1/users/", code=201, **ANN).json()["id"]
        verify = mailed_token(log, "verify")
        call("POST /api/v1/auth/email/verify", code=204, token=verify)
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
        call("POST /api/v1/auth/password/forgot", code=202, email=ANN["email"])
        reset = mailed_token(log, "reset")
        call(
            "POST /api/v1/auth/password/reset",
            code=204,
            token=reset,
            new_password="Another1Horse",  # noqa: S106 - of a user that lives for a second
        )
        walker.log_in(ANN["email"], "Another1Horse")
        call("DELETE /api/v1/auth/sessions", code=204)
        walker.log_in("root@example.com")
        call("GET /api/v1/users/")
        call("GET /api/v1/users/{user_id}", ann)
        call("PATCH /api/v1/users/{user_id}", ann, is_superuser=True)
        call("DELETE /api/v1/users/{user_id}", ann, code=204)
        call("POST /api/v1/users/", code=201, **ANN)
        walker.log_in(ANN["email"])
        call("DELETE /api/v1/users/me", code=204)
    return walker.walked


def mailed_token(log: Callable[[], str], purpose: str) -> str:
    """Return the token of the newest link that a server in development shows in its log."""
    for _ in range(50):
        if tokens := re.findall(rf"/{purpose}\?token=([\w-]+)", log()):
            return str(tokens[-1])
        time.sleep(0.1)
    raise AssertionError(log())


def test_an_ordinary_oauth2_client_logs_in_calls_refreshes_and_logs_out(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # plain HTTP, on this machine
    with project.serve(*SERVE, str(free_port())) as server:
        auth = f"{server.address}/api/v1/auth"
        body = ANN | {"email": "oauth@example.com"}
        assert httpx2.post(f"{server.address}/api/v1/users/", json=body).status_code == 201
        saved: list[dict[str, str]] = []
        oauth = OAuth2Session(
            client=LegacyApplicationClient(client_id="app"),
            auto_refresh_url=f"{auth}/refresh",
            auto_refresh_kwargs={"client_id": "app"},
            token_updater=saved.append,
        )
        first = oauth.fetch_token(f"{auth}/login", username=body["email"], password=PASSWORD)
        assert oauth.get(f"{server.address}/api/v1/users/me").json()["email"] == body["email"]

        oauth.token = first | {"expires_at": 1}  # as if half an hour had passed
        assert oauth.get(f"{server.address}/api/v1/users/me").ok
        (renewed,) = saved
        assert renewed["refresh_token"] != first["refresh_token"]

        assert oauth.post(f"{auth}/logout").status_code == 204
        assert oauth.get(f"{server.address}/api/v1/users/me").status_code == 401


def test_a_thousand_wrong_logins_on_two_instances_are_five_tries(project: Project) -> None:
    wrong = {"username": "victim@example.com", "password": "Wrong1Horse"}
    with (
        project.serve(*SERVE, str(free_port())) as one,
        project.serve(*SERVE, str(free_port())) as two,
        httpx2.Client(timeout=30) as client,
    ):
        urls = [f"{server.address}/api/v1/auth/login" for server in (one, two)]
        codes = Counter(client.post(urls[n % 2], data=wrong).status_code for n in range(1000))

        assert codes == {401: 5, 429: 995}
        assert "Wrong1Horse" not in one.log() + two.log()
        assert "victim" not in one.log() + two.log()


def test_the_tests_of_the_original_document_pass(project: Project, tmp_path: Path) -> None:
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


def test_a_well_known_secret_stops_the_service(project: Project) -> None:
    for secret in ("", "changethis", "secret" * 8):
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
        assert "make one with" in done.stderr
        assert "Traceback" not in done.stderr


def interpreters() -> dict[str, str]:
    """Return an interpreter for each version of Python that a project can choose, if found."""
    return {version: path for version in CHOICES["python_version"] if (path := _find(version))}


def _find(version: str) -> str | None:
    managed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for path in filter(None, [shutil.which(f"python{version}"), *map(str, managed)]):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


@pytest.mark.parametrize("version", [in_a_group(version) for version in interpreters()])
def test_the_suite_passes_on_every_python_of_this_machine(bake: Bake, version: str) -> None:
    project = Project(bake(python_version=version), python=interpreters()[version])

    assert f"Python {version}." in project.run("python", "--version")
    assert "passed" in project.run("pytest", "-q")
    project.run("mypy", "--strict", ".")
