"""Options: each changes what it is about, and nothing else."""

import filecmp
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from itertools import combinations, product
from pathlib import Path

import pytest
import yaml
from allpairspy import AllPairs

from tests.conftest import (
    CHOICES,
    ROOT,
    TEMPLATE,
    Bake,
    check_answers,
    environment,
    files,
    template_python,
    tracked_files,
)

PAIRS = [dict(zip(CHOICES, values, strict=True)) for values in AllPairs(list(CHOICES.values()))]

DOCKER = {"Dockerfile", ".dockerignore", "compose.yaml", "nginx.conf"}
MANIFESTS = {"kubernetes/service.yaml"}
# The files that belong to one answer only.
OPTIONAL_FILES: dict[tuple[str, str], set[str]] = {
    ("ci", "github"): {".github/workflows/ci.yml"},
    ("ci", "gitlab"): {".gitlab-ci.yml"},
    ("database", "postgresql"): {"scripts/postgres.py"},
    ("deployment", "docker"): DOCKER,
    ("deployment", "kubernetes"): DOCKER | MANIFESTS,
}
# The files whose content depends on an answer.
DEPENDENT_FILES: dict[str, set[str]] = {
    "license": {"LICENSE", "pyproject.toml"},
    "python_version": {
        ".devcontainer/Dockerfile",
        ".gitlab-ci.yml",
        ".python-version",
        "Dockerfile",
        "pyproject.toml",
    },
    "database": {
        ".env",
        ".env.example",
        "Makefile",
        "README.md",
        "compose.yaml",
        "kubernetes/service.yaml",
        "pyproject.toml",
    },
    "ci": set(),
    "deployment": {"README.md"},
}


DESCRIPTION = r"""Sells "100%" of things; it's #1: a \ {b} $c `d`!"""


def name(answers: dict[str, str]) -> str:
    """Return the answers in a line."""
    return "-".join(answers.values())


@pytest.fixture(scope="module", params=PAIRS, ids=name)
def answers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return one of the sets of answers in which every pair of choices occurs."""
    chosen: dict[str, str] = request.param
    return chosen


@pytest.fixture(scope="module")
def project(bake: Bake, answers: dict[str, str]) -> Path:
    """Return a project with the answers."""
    return bake(**answers)


def test_every_pair_of_choices_is_baked() -> None:
    for one, two in combinations(CHOICES, 2):
        seen = {(answers[one], answers[two]) for answers in PAIRS}
        assert seen == set(product(CHOICES[one], CHOICES[two]))


def test_project_has_exactly_its_files(project: Path, answers: dict[str, str]) -> None:
    everything = {
        path.removeprefix(f"{TEMPLATE.name}/")
        for path in tracked_files()
        if path.startswith(TEMPLATE.name)
    } | {".env"}
    optional = set[str]().union(*OPTIONAL_FILES.values())
    chosen = set[str]().union(*(OPTIONAL_FILES.get(answer, set()) for answer in answers.items()))

    assert files(project) == everything - optional | chosen
    assert [
        folder for folder in project.rglob("*") if folder.is_dir() and not any(folder.iterdir())
    ] == []


def test_no_template_syntax_is_left(project: Path) -> None:
    for path in sorted(project.rglob("*")):
        if path.is_file():
            text = path.read_bytes().decode("utf-8")
            for trace in re.finditer(r"(?<!\$)\{\{|\{%|#%|cookiecutter", text):
                pytest.fail(f"{path.relative_to(project)}: {text[trace.start() :][:60]}")
            assert text.endswith("\n"), path
            assert not text.endswith("\n\n"), path
            assert "\r" not in text, path
            assert not re.search(r"[ \t]$", text, re.MULTILINE), path


def test_python_is_identical_in_every_project(project: Path) -> None:
    for path in template_python():
        baked = project / path.relative_to(TEMPLATE)
        assert not baked.exists() or filecmp.cmp(path, baked, shallow=False)


def test_data_files_are_valid(project: Path, answers: dict[str, str]) -> None:
    metadata = tomllib.loads((project / "pyproject.toml").read_text())
    expected = None if answers["license"] == "Proprietary" else answers["license"]
    assert metadata["project"].get("license") == expected
    assert metadata["tool"]["mypy"]["python_version"] == answers["python_version"]
    for path in [*project.rglob("*.yaml"), *project.rglob("*.yml")]:
        assert list(yaml.safe_load_all(path.read_text()))
        assert "\n\n\n" not in path.read_text(), path


def test_generated_files_are_formatted(project: Path) -> None:
    run(["ruff", "format", "--check", "--no-cache", "."], project)


@pytest.mark.parametrize("question", CHOICES)
def test_choice_changes_its_own_files_only(bake: Bake, question: str) -> None:
    first, *others = [bake(**{question: value}) for value in CHOICES[question]]
    for other in others:
        common = files(first) & files(other)
        _, different, _ = filecmp.cmpfiles(first, other, common, shallow=False)
        assert set(different) - {".env"} <= DEPENDENT_FILES[question]


def test_text_answers_appear_in_the_project(bake: Bake) -> None:
    project = bake(
        project_name="Ünïcode & Söns' <Shop> 🛒",
        project_slug="the_shop-2",
        description=DESCRIPTION,
        full_name="Zoë O'Neill, Jr.",
        email="zoe+shop@mail.example.com",
    )

    assert project.name == "the_shop-2"
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert metadata["name"] == "the_shop-2"
    assert metadata["description"] == DESCRIPTION
    assert DESCRIPTION in (project / "README.md").read_text()
    assert metadata["authors"] == [
        {"name": "Zoë O'Neill, Jr.", "email": "zoe+shop@mail.example.com"}
    ]
    assert "Copyright (c) Zoë O'Neill, Jr.\n" in (project / "LICENSE").read_text()
    assert 'PROJECT_NAME="Ünïcode & Söns\' <Shop> 🛒"\n' in (project / ".env").read_text()
    compose = yaml.safe_load((project / "compose.yaml").read_text())
    environment = compose["services"]["service"]["environment"]
    assert environment["PROJECT_NAME"] == "Ünïcode & Söns' <Shop> 🛒"


def test_projects_have_different_secrets(bake: Bake) -> None:
    texts = [(bake(database="postgresql") / ".env").read_text() for _ in range(2)]
    secrets = [re.findall(r"(?:SECRET_KEY|PASSWORD)=(\S+)", text) for text in texts]

    assert [len(found) for found in secrets] == [2, 2]
    assert len({secret for found in secrets for secret in found}) == 4


def test_env_file_is_readable_by_its_owner_only(bake: Bake) -> None:
    project = bake()

    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert ".env\n" in (project / ".gitignore").read_text()
    assert "SECRET_KEY=<secret>" in (project / ".env.example").read_text()


def test_helper_rejects_unknown_questions_and_choices() -> None:
    for answers in ({"databse": "sqlite"}, {"database": "mysql"}):
        with pytest.raises(AssertionError):
            check_answers(answers)


def test_workflows_follow_their_schemas(bake: Bake) -> None:
    github = bake(ci="github") / ".github/workflows/ci.yml"
    gitlab = bake(ci="gitlab") / ".gitlab-ci.yml"

    run(["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(github)])
    run(["zizmor", "--offline", "--min-severity", "medium", str(github)])
    run(["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(gitlab)])


@pytest.mark.parametrize("database", CHOICES["database"])
def test_deployment_files_follow_their_schemas(bake: Bake, database: str) -> None:
    project = bake(deployment="kubernetes", database=database)

    run(
        [
            "check-jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(project / "compose.yaml"),
        ]
    )
    run(["kubernetes-validate", "--strict", str(project / "kubernetes/service.yaml")])


def test_pod_reads_no_variables_of_other_services_and_may_write_temporary_files(bake: Bake) -> None:
    manifest = bake(deployment="kubernetes", database="postgresql") / "kubernetes/service.yaml"
    deployment = next(yaml.safe_load_all(manifest.read_text(encoding="utf-8")))
    pod = deployment["spec"]["template"]["spec"]

    assert pod["enableServiceLinks"] is False
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {"name": "temporary", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108 - of a container


@pytest.mark.parametrize("port", ["", "9001"])
def test_image_and_its_health_check_use_the_port_of_the_platform(
    bake: Bake, tmp_path: Path, port: str
) -> None:
    dockerfile = (bake(deployment="docker") / "Dockerfile").read_text(encoding="utf-8")
    check, command = (
        json.loads(line.partition("CMD ")[2])
        for line in dockerfile.splitlines()
        if line.lstrip().startswith("CMD ")
    )
    for name in ("uvicorn", "python"):  # print their arguments
        (tmp_path / name).write_text('#!/bin/sh\necho "$0 $@"\n')
        (tmp_path / name).chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PORT": port}

    started = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    probe = subprocess.run(
        [sys.executable, *check[1:]], env=variables, capture_output=True, text=True, check=False
    )

    assert f"--port {port or 8000} " in started.stdout
    for option in ("no-server-header", "no-proxy-headers", "timeout-graceful-shutdown 20"):
        assert f" --{option}" in started.stdout
    assert "Connection refused" in probe.stderr  # and not an error of the script
    assert "\nENV " in dockerfile
    assert "PORT=8000" in dockerfile


def run(command: list[str], folder: Path = ROOT) -> None:
    """Run a tool of the development dependencies; it must succeed."""
    program = Path(sys.prefix, "bin", command[0])
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
