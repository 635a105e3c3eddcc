"""Servers in processes of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PATIENCE = 60  # seconds until a server serves, at most


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def address(self) -> str:
        """Return where it is served, as soon as it is."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            if match := re.search(r"running on (http://[0-9.:]+)", self.log.read_text()):
                return match[1]
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@contextmanager
def serving(database: str, log: Path, **variables: str) -> Generator[Server]:
    """Run a real server."""
    program = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1"]
    environment = os.environ | {"DATABASE_URL": database, **variables}
    with (
        log.open("w") as file,
        subprocess.Popen([*program, "--port", "0"], cwd=ROOT, env=environment, stderr=file) as run,
    ):
        try:
            yield Server(run, log)
        finally:
            run.kill()
