"""Baked projects that are installed, run and called as their users would."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx2

from tests.conftest import environment

UV = str(Path(sys.prefix, "bin", "uv"))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def without_uv() -> str:
    """Return a search path on which `uv` is not found, as on a fresh machine."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if not shutil.which("uv", path=f))


class Project:
    """A baked project with an environment of its own."""

    def __init__(self, folder: Path, python: str | None = None) -> None:
        """Install the project, for a certain interpreter or for the first that is found."""
        self.folder = folder
        self.variables = environment() | ({"UV_PYTHON": python} if python else {})
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
    def serve(self, *command: str) -> Generator[str]:
        """Yield the address of a server, which runs until the block ends."""
        with running(command, self.folder, self.variables) as address:
            yield address


@contextlib.contextmanager
def running(command: tuple[str, ...], folder: Path, variables: dict[str, str]) -> Generator[str]:
    """Yield the address that a server prints; stop it, and all that it started, afterwards.

    Raises:
        AssertionError: if it ends without having printed an address.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield _address(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=20)


def _address(process: subprocess.Popen[str]) -> str:
    seen = []
    assert process.stdout
    for line in process.stdout:
        seen.append(line)
        if match := re.search(r"running on (http://[\w.:]+)", line, re.IGNORECASE):
            return match[1]
    raise AssertionError("".join(seen))


def is_ready(address: str) -> bool:
    """Tell whether a server is ready, and shows its API page."""
    transport = httpx2.HTTPTransport(retries=10)
    with httpx2.Client(base_url=address, transport=transport, timeout=10) as client:
        return client.get("/health/ready").is_success and "swagger" in client.get("/docs").text
