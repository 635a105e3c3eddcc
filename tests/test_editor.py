"""Editor, dev container and git hooks of a generated project: they run what they name."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Bake, environment
from tests.edits.editor import Editor
from tests.projects import free_port


@pytest.fixture(scope="module")
def project(bake: Bake) -> Editor:
    """Return an installed project in git."""
    project = Editor(bake(database="sqlite", python_version="3.12"))
    project.reset("app.db")
    project.run("make", "migrate")
    return project


def read(project: Editor, path: str) -> dict[str, object]:
    """Return a JSON file of the project."""
    content: dict[str, object] = json.loads((project.folder / path).read_text())
    return content


def launch(project: Editor, name: str) -> list[str]:
    """Return the command of a launch configuration."""
    configurations = read(project, ".vscode/launch.json")["configurations"]
    assert isinstance(configurations, list)
    (found,) = [c for c in configurations if c["name"] == name]
    return ["python", "-m", found["module"], *found["args"]]


def test_editor_runs_the_service_and_one_test(project: Editor) -> None:
    service = launch(project, "Service")
    service[service.index("8000")] = str(free_port())
    with project.serve(*service) as server:
        assert "running on" in server.log()

    tests = launch(project, "Tests of this file")
    tests[tests.index("${file}")] = "tests/test_health.py"
    assert "passed" in project.run(*tests)


def test_editor_uses_the_interpreter_and_tasks_of_the_project(project: Editor) -> None:
    interpreter = read(project, ".vscode/settings.json")["python.defaultInterpreterPath"]
    path = str(interpreter).replace("${workspaceFolder}", str(project.folder))
    makefile = (project.folder / "Makefile").read_text()
    tasks = read(project, ".vscode/tasks.json")["tasks"]

    assert Path(path).exists()
    assert isinstance(tasks, list)
    for task in tasks:
        assert f"\n{task['command'].removeprefix('make ')}:" in makefile


def test_dev_container_has_the_python_and_the_extensions_of_the_project(project: Editor) -> None:
    container = json.dumps(read(project, ".devcontainer/devcontainer.json"))
    extensions = read(project, ".vscode/extensions.json")["recommendations"]

    assert json.dumps(extensions) in container
    assert "make dev" in container
    assert "FROM python:3.12-slim\n" in (project.folder / ".devcontainer/Dockerfile").read_text()


def test_git_checks_out_unix_line_endings(project: Editor) -> None:
    attributes = project.run("git", "check-attr", "eol", "text", "--", "Makefile")

    assert attributes == "Makefile: eol: lf\nMakefile: text: auto\n"


def test_git_hook_rejects_what_make_check_rejects(project: Editor) -> None:
    project.run("pre-commit", "validate-config")
    project.run("pre-commit", "install")
    module = project.folder / "app/new.py"
    module.write_text("import os\n")
    project.git("add", "app/new.py")

    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-m", "New"],
        cwd=project.folder,
        env=project.variables | {"HOME": environment()["HOME"]},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert "F401" in done.stdout + done.stderr
    project.git("reset", "--quiet", "--hard")
    project.git("commit", "--quiet", "--allow-empty", "--message", "Nothing wrong")
