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

from tests.helpers import ROOT

START_TIMEOUT = 60  # seconds
STOP_TIMEOUT = 20  # seconds


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def url(self) -> str:
        """Return the URL of the server, once it has started."""
        deadline = time.monotonic() + START_TIMEOUT
        while self.process.poll() is None and time.monotonic() < deadline:
            if match := re.search(r"running on (http://[0-9.:]+)", self.log.read_text()):
                return match[1]
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def stop(self, *signals: signal.Signals) -> int:
        """Send the signals, by default SIGTERM, and return the exit code."""
        for number in signals or (signal.SIGTERM,):
            self.process.send_signal(number)
            time.sleep(0.05)
        return self.process.wait(timeout=STOP_TIMEOUT)


@contextmanager
def serving(
    database: str, log: Path, app: str = "app.main:app", **variables: str
) -> Generator[Server]:
    """Run a server on a free port, with environment variables."""
    program = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1"]
    environment = os.environ | {"DATABASE_URL": database, **variables}
    with (
        log.open("w") as file,
        subprocess.Popen([*program, "--port", "0"], cwd=ROOT, env=environment, stderr=file) as run,
    ):
        try:
            yield Server(run, log)
        finally:
            run.kill()
