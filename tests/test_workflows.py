"""Workflows of the template: valid, pinned, and their steps run as they stand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, environment

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))


def run(command: list[str]) -> None:
    """Run a linter."""
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def load(name: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return a workflow."""
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def test_workflows_are_valid() -> None:
    schema = "vendor.github-workflows"
    run(["check-jsonschema", "--builtin-schema", schema, *map(str, WORKFLOWS)])


def test_workflows_are_pinned_and_have_no_needless_permissions() -> None:
    run(["zizmor", "--offline", "--min-severity", "medium", *map(str, WORKFLOWS)])


def test_readme_shows_whether_each_variant_is_green() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for name in ("ci", "sqlite", "postgresql"):
        assert f"actions/workflows/{name}.yml/badge.svg" in readme


def test_workflow_runs_what_ci_runs() -> None:
    steps = load("ci.yml")["jobs"]["template"]["steps"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    commands = [step["run"] for step in steps if "run" in step]
    assert commands == [line for line in script if line.startswith("make ")]


@pytest.mark.parametrize("database", ["sqlite"])
def test_steps_of_a_project_run_as_they_stand(source: Path, tmp_path: Path, database: str) -> None:
    checkout = shutil.copytree(source, tmp_path / "template")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "python")], check=True)
    path = f"{tmp_path}/python/bin{os.pathsep}{os.environ['PATH']}"
    variables = environment() | {"DATABASE": database, "PATH": path}
    job = load("project.yml")["jobs"]["project"]

    for step in job["steps"]:
        if "run" in step:
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=(checkout / step.get("working-directory", ".")).resolve(),
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{step['run']}\n{done.stdout}"
