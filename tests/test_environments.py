"""Other people's environments: old tools, exported settings, folder names, lowest versions."""

import shutil
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest

from tests.conftest import Bake, environment
from tests.projects import DEFAULT_PYTHON, UV, Project, in_a_group, interpreters

HOSTILE = {
    "ACCESS_TOKEN_EXPIRE_MINUTES": "1",
    "ALLOWED_HOSTS": "nowhere.example",
    "API_V1_PREFIX": "/v9",
    "COLUMNS": "20",
    "DATABASE_POOLER": "true",
    "DATABASE_URL": "postgresql://prod.example/prod",
    "DEBUG": "true",
    "DOCS": "true",
    "ENV_FILE": "/nowhere",
    "FRONTEND_URL": "http://other.example",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "LC_ALL": "xx_XX.UTF-8",
    "PASSWORD_MIN_LENGTH": "12",
    "PGHOST": "prod.example",
    "PGSSLMODE": "require",
    "PROJECT_NAME": "Other",
    "REGISTRATION_OPEN": "false",
    "SECRET_KEY": "changethis",
    "TEST_DATABASE_URL": "",
    "SMTP_HOST": "smtp.example.com",
    "SMTP_PORT": "tcp://10.0.0.1:25",  # as Kubernetes exports it for a service called smtp
    "UVICORN_PORT": "1",
    "WEB_CONCURRENCY": "3",
}


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("1.7.3", "cookiecutter_2_4_or_newer_is_needed"),
        ("2.1.1", "cookiecutter 2.4 or newer is needed; yours is 2.1.1: pipx install cookiecutter"),
        ("2.3.0", "cookiecutter 2.4 or newer is needed; yours is 2.3.0: pipx install cookiecutter"),
    ],
)
def test_old_cookiecutter_ends_with_a_sentence(
    source: Path, tmp_path: Path, version: str, sentence: str
) -> None:
    program = [UV, "tool", "run", "--quiet", "--from", f"cookiecutter=={version}", "cookiecutter"]
    done = subprocess.run(
        [*program, str(source), "--no-input"],
        cwd=tmp_path,
        env=environment() | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert sentence in (done.stdout + done.stderr).strip().splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "my-service").exists()


def test_oldest_supported_cookiecutter_generates_the_same_project(
    source: Path, tmp_path: Path, bake: Bake
) -> None:
    program = [UV, "tool", "run", "--quiet", "--from", "cookiecutter==2.4.0", "cookiecutter"]
    variables = environment() | {"HOME": str(tmp_path)}
    command = [*program, str(source), "--no-input"]
    subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True)

    command = ["diff", "-r", "--exclude=.env", str(bake()), str(tmp_path / "my-service")]
    assert subprocess.run(command, check=False, capture_output=True, text=True).stdout == ""


def other_versions() -> list[str]:
    """Return the versions besides those of the other tests, if there are any."""
    current = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [v for v in interpreters() if v not in {current, DEFAULT_PYTHON}] or [current]


@pytest.mark.parametrize(
    ("version", "database"), list(zip(other_versions(), cycle(["postgresql", "sqlite"])))
)
def test_suite_passes_on_every_other_python_in_any_folder_whatever_the_shell_exports(
    bake: Bake, tmp_path: Path, version: str, database: str
) -> None:
    folder = tmp_path / "My Projects" / "it's here"
    shutil.copytree(bake(python_version=version, database=database), folder)
    project = Project(folder, python=interpreters()[version])
    project.run("mypy", "--strict", ".")
    project.variables |= HOSTILE

    project.run("make", "test")

    assert f"Python {version}." in project.run("python", "--version")


@pytest.mark.parametrize("database", [in_a_group(__name__, "sqlite")])
def test_suite_passes_with_the_lowest_versions(bake: Bake, tmp_path: Path, database: str) -> None:
    folder = shutil.copytree(bake(database=database), tmp_path / "project")

    Project(folder).run("make", "test-lowest")


def test_make_installs_again_after_a_failure(bake: Bake, tmp_path: Path) -> None:
    folder = shutil.copytree(bake(), tmp_path / "project")
    variables = environment() | {"PATH": f"{Path(UV).parent}:{environment()['PATH']}"}
    command = ["make", "openapi"]
    offline = variables | {"HTTPS_PROXY": "http://127.0.0.1:9", "UV_CACHE_DIR": str(tmp_path / "c")}

    failed = subprocess.run(command, cwd=folder, env=offline, check=False, capture_output=True)
    done = subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True)

    assert failed.returncode != 0
    assert done.returncode == 0
    assert (folder / "openapi.json").exists()
