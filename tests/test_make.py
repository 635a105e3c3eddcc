"""`make` on a fresh machine: `make new`, its questions, and the command that it prints."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.conftest import QUESTIONS, environment
from tests.projects import UV, free_port, is_ready, running, without_uv


@pytest.fixture
def machine() -> dict[str, str]:
    """Return the environment of a machine that has git, make and Python, and nothing else."""
    return environment() | {"PATH": without_uv(), "TERM": "dumb"}


@pytest.fixture
def checkout(source: Path, tmp_path: Path) -> Path:
    """Return a checkout in a folder of its own."""
    return shutil.copytree(source, tmp_path / "checkout")


def run(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    """Run a command without a terminal; it must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def printed_command(output: str) -> tuple[Path, list[str]]:
    """Return the folder and the command that a bake prints."""
    match = re.search(r"cd (\S+) && (make dev)", output)
    assert match, output
    return Path(match[1]), match[2].split()


@pytest.mark.xdist_group("make")
def test_new_project_runs_on_a_fresh_machine(checkout: Path, machine: dict[str, str]) -> None:
    project, command = printed_command(run(["make", "new"], checkout, machine))

    assert project == checkout.parent / "my-service"
    assert not shutil.which("uv", path=machine["PATH"])
    port = free_port()
    with running((*command, f"PORT={port}"), project, machine) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert is_ready(server.url)
    output = run(["make", "test"], project, machine)
    assert " passed" in output


def test_make_new_prompts_on_a_terminal(checkout: Path, machine: dict[str, str]) -> None:
    output = checkout.parent / "elsewhere"
    terminal = pexpect.spawn(
        "make",
        ["new", f"OUTPUT={output}"],
        cwd=checkout,
        env=machine,
        encoding="utf-8",
        timeout=120,
    )
    answers = {"project_name": "Order Service", "database": "2", "deployment": "3"}
    for number, question in enumerate(QUESTIONS, start=1):
        terminal.expect_exact(f"[{number}/{len(QUESTIONS)}]")
        terminal.expect(r"\([^)]*\): ")
        terminal.sendline(answers.get(question, ""))
    terminal.expect(pexpect.EOF)
    project, command = printed_command(terminal.before or "")

    assert project == output / "order-service"
    env = project / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
    with running((*command, f"PORT={free_port()}"), project, machine) as server:
        assert is_ready(server.url)
    run(["make", "postgres-stop"], project, machine)


def test_make_new_takes_answers_and_output_folder(checkout: Path, machine: dict[str, str]) -> None:
    answers = "project_slug=orders license=BSD-3-Clause"
    output = run(["make", "new", "OUTPUT=a b", f"ANSWERS={answers}"], checkout, machine)

    project = checkout / "a b" / "orders"
    assert f"cd '{project}' && make dev" in output
    assert "BSD 3-Clause" in (project / "LICENSE").read_text()


def test_make_prints_its_targets(source: Path) -> None:
    for line in ("make new", "make test", "make check", "make sandbox"):
        assert line in run(["make"], source, environment())


def test_template_works_without_a_checkout(source: Path, tmp_path: Path) -> None:
    published = shutil.copytree(source, tmp_path / "published")
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "x"]):
        run(["git", *command], published, environment())
    home = environment() | {"HOME": str(tmp_path), "UV_CACHE_DIR": str(Path.home() / ".cache/uv")}

    uvx = [UV, "tool", "run", "--python", sys.executable, "cookiecutter", "--no-input"]
    output = run([*uvx, f"git+file://{published}"], tmp_path, home)

    assert printed_command(output)[0] == tmp_path / "my-service"


def test_sandbox_is_linked_to_the_template(checkout: Path, machine: dict[str, str]) -> None:
    run(["make", "sandbox"], checkout, machine)

    linked = checkout / "sandbox" / "app" / "main.py"
    assert linked.samefile(checkout / "{{cookiecutter.project_slug}}" / "app" / "main.py")
