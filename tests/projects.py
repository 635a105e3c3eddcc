"""Baked projects: installed, run and called as by their users."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.conftest import CHOICES, ROOT, environment

DEFAULT_PYTHON = CHOICES["python_version"][0]  # of a project
UV = str(Path(sys.prefix, "bin", "uv"))
# One for the projects of a worker: mypy checks the same libraries in all of them.
MYPY_CACHE = str(ROOT / ".mypy_cache" / os.environ.get("PYTEST_XDIST_WORKER", "projects"))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def interpreters() -> dict[str, str]:
    """Return an interpreter for each version of Python that a project can choose, if found."""
    return {version: path for version in CHOICES["python_version"] if (path := _find(version))}


def _find(version: str) -> str | None:
    managed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for path in filter(None, [shutil.which(f"python{version}"), *map(str, managed)]):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


def in_a_group(module: str, value: str, *marks: pytest.MarkDecorator) -> object:
    """Return a parameter whose tests of a module run on one worker, which bakes once for them."""
    return pytest.param(value, marks=[pytest.mark.xdist_group(f"{module} {value}"), *marks])


def without_uv() -> str:
    """Return PATH without `uv`, as on a fresh machine."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if not shutil.which("uv", path=f))


class Project:
    """A baked project with a virtual environment of its own."""

    def __init__(self, folder: Path, python: str | None = None) -> None:
        """Install the project, for an interpreter or for the first one that is found."""
        self.folder = folder
        self.variables = environment() | {"UV_PYTHON": python or "python3"}
        self.variables["MYPY_CACHE_DIR"] = MYPY_CACHE
        self.run(UV, "sync", "--quiet")
        activated = f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"
        self.variables |= {"PATH": activated, "VIRTUAL_ENV": f"{folder}/.venv"}

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command as in an activated environment, and return what it printed.

        Raises:
            AssertionError: if it fails.
        """
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.variables,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    @contextlib.contextmanager
    def serve(self, *command: str, **variables: str) -> Generator["Server"]:
        """Yield a server, which runs until the block ends."""
        with running(command, self.folder, self.variables | variables) as server:
            yield server


@dataclass
class Server:
    """A running server."""

    url: str
    output: Path
    pid: int

    def log(self) -> str:
        """Return what it has printed."""
        return self.output.read_text()


@contextlib.contextmanager
def running(command: tuple[str, ...], folder: Path, variables: dict[str, str]) -> Generator[Server]:
    """Yield a server once it has printed its URL; stop it and its child processes afterwards.

    Raises:
        AssertionError: if it ends without having printed a URL.
    """
    with (
        tempfile.TemporaryDirectory(prefix="server-") as log_folder,
        (output := Path(log_folder, "log")).open("w") as file,
        subprocess.Popen(
            command,
            cwd=folder,
            env=variables | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Server(_url(process, output), output, process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to stop.

    Raises:
        AssertionError: if it does not, after it was killed.
    """
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        message = "The server does not stop."
        raise AssertionError(message) from None


def _url(process: subprocess.Popen[bytes], output: Path) -> str:
    while process.poll() is None:
        text = output.read_text()
        if match := re.search(r"running on (http://[\w.:]+)", text, re.IGNORECASE):
            return match[1]
        time.sleep(0.05)
    raise AssertionError(output.read_text())


def is_ready(url: str) -> bool:
    """Return whether a server is ready and serves Swagger UI."""
    transport = httpx2.HTTPTransport(retries=10)
    with httpx2.Client(base_url=url, transport=transport, timeout=10) as client:
        return client.get("/health/ready").is_success and "swagger" in client.get("/docs").text
