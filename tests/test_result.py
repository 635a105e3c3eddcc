"""Does the result work, installed from its own project file into an environment of its own?"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.conftest import CHOICES, ROOT, Bake
from tests.projects import UV, Project, free_port, is_ready

PASSWORD = "Correct1Horse"  # noqa: S105 - of users that live for a second
ANN = {"email": "ann@example.com", "full_name": "Ann", "password": PASSWORD}


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
    assert "passed" in project.run("pytest", "-q", "-n", "2")


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
    with project.serve(*command.format(free_port()).split()) as address:
        assert is_ready(address)


def test_every_documented_route_answers_on_a_real_server(project: Project) -> None:
    create = ["python", "-m", "app.cli", "create-superuser", "--email", "root@example.com"]
    project.run(*create, "--full-name", "Root", "--password-stdin", stdin=PASSWORD)

    with project.serve("uvicorn", "app.main:app", "--port", str(free_port())) as address:
        assert walk(address) == documented(address)


def documented(address: str) -> set[str]:
    """Return the operations in the documentation of a server."""
    document = httpx2.get(f"{address}/api/v1/openapi.json").json()
    return {f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods}


def walk(address: str) -> set[str]:
    """Call operation after operation as users would, and return those that answered well."""
    walked = set[str]()

    def call(operation: str, *ids: int, code: int = 200, **body: object) -> httpx2.Response:
        method, path = operation.split()
        for number in ids:
            path = re.sub(r"\{\w+\}", str(number), path, count=1)
        form = path.startswith("/api/v1/auth/")
        response = client.request(
            method, path, data=body if form else None, json=body if body and not form else None
        )
        assert response.status_code == code, f"{operation}: {response.text}"
        walked.add(operation)
        return response

    def log_in(email: str) -> None:
        token = call("POST /api/v1/auth/login", username=email, password=PASSWORD).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"

    with httpx2.Client(base_url=address, timeout=30) as client:
        call("GET /health/live")
        call("GET /health/ready")
        ann = call("POST /api/v1/users/", code=201, **ANN).json()["id"]
        log_in(ANN["email"])
        call("GET /api/v1/users/me")
        call("PATCH /api/v1/users/me", full_name="Ann Lee")
        item = call("POST /api/v1/items/", code=201, title="Lamp").json()["id"]
        call("GET /api/v1/items/")
        call("GET /api/v1/items/{item_id}", item)
        call("PATCH /api/v1/items/{item_id}", item, title="Light")
        call("DELETE /api/v1/items/{item_id}", item, code=204)
        log_in("root@example.com")
        call("GET /api/v1/users/")
        call("GET /api/v1/users/{user_id}", ann)
        call("PATCH /api/v1/users/{user_id}", ann, is_superuser=True)
        call("DELETE /api/v1/users/{user_id}", ann, code=204)
        call("POST /api/v1/users/", code=201, **ANN)
        log_in(ANN["email"])
        call("DELETE /api/v1/users/me", code=204)
    return walked


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
