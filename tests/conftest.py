"""Fixtures: bakes from a clean copy of the source, with valid answers only."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_cookies.plugin import Cookies, Result

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
CONTEXT: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES = {name: values for name, values in CONTEXT.items() if isinstance(values, list)}
CHOICES = {name: values for name, values in CHOICES.items() if not name.startswith("_")}
QUESTIONS = [name for name in CONTEXT if not name.startswith("_")]

# Temporary folders of the pytest runs that these tests start, one for each worker.
INNER = tempfile.mkdtemp(prefix="inner-")
atexit.register(shutil.rmtree, INNER, ignore_errors=True)

Bake = Callable[..., Path]


def check_answers(answers: dict[str, str]) -> None:
    """Reject questions and choices that cookiecutter would ignore silently."""
    for name, value in answers.items():
        assert name in QUESTIONS, f"{name} is not a question"
        assert value in CHOICES.get(name, [value]), f"{value} is not a choice of {name}"


def tracked_files() -> list[str]:
    """Return the paths of the source, without ignored files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in output.split("\0") if path and (ROOT / path).exists()]


def environment() -> dict[str, str]:
    """Return the environment of a new user: without the variables of this run."""
    excluded = ("COV", "PYTEST", "UV_", "VIRTUAL_ENV", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(excluded)}
    return kept | {"NO_COLOR": "1", "COLUMNS": "120", "PYTEST_DEBUG_TEMPROOT": INNER}


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source, as in a clone."""
    folder = tmp_path_factory.mktemp("source")
    for path in tracked_files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)
    return folder


@pytest.fixture(scope="session")
def bake_result(cookies_session: Cookies, source: Path) -> Callable[..., Result]:
    """Return a function that bakes, and returns the result."""

    def _bake_result(**answers: str) -> Result:
        check_answers(answers)
        return cookies_session.bake(extra_context=answers, template=str(source))

    return _bake_result


@pytest.fixture(scope="session")
def bake(bake_result: Callable[..., Result]) -> Bake:
    """Return a function that bakes, and returns the folder of the project."""

    def _bake(**answers: str) -> Path:
        result = bake_result(**answers)
        if result.exception:
            raise result.exception
        return Path(result.project_path)

    return _bake


def files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder, relative to it."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def template_python() -> Iterator[Path]:
    """Yield the Python files of the template."""
    for path in tracked_files():
        if path.startswith(TEMPLATE.name) and path.endswith(".py"):
            yield ROOT / path
