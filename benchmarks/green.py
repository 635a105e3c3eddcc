"""Time from cookiecutter to a green suite: `uv run python benchmarks/green.py`.

Each line is a new project in a new environment. The first one fills the caches of uv by network;
the others run offline.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOAL = 15  # seconds
ROUNDS = 3  # without the network


def timed(*command: str, folder: Path, offline: bool = False) -> tuple[float, str]:
    """Return the seconds that a command takes, and its output."""
    environment = os.environ | ({"UV_OFFLINE": "1"} if offline else {})
    start = time.perf_counter()
    run = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - start, run.stdout


def main() -> None:
    """Measure and print."""
    for database in sys.argv[1:] or ["sqlite"]:
        for number in range(1 + ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                print(database, measure(database, Path(folder), offline=number > 0))


def measure(database: str, folder: Path, *, offline: bool) -> str:
    """Bake a project, install what it needs, run its tests, and return how long it took."""
    program = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input"]
    bake, _ = timed(*program, f"database={database}", folder=folder)
    (project,) = folder.iterdir()
    install, _ = timed("make", ".venv", folder=project, offline=offline)
    first, _ = timed("make", "test", folder=project, offline=offline)
    _, output = timed("make", "test", folder=project, offline=offline)
    (suite,) = re.findall(r"passed in ([0-9.]+)s", output)
    network = "without the network" if offline else "with the network"
    return (
        f"{network}: bake {bake:.1f} s, install {install:.1f} s, tests {first:.1f} s, "
        f"together {bake + install + first:.1f} s (goal {GOAL}); tests again {suite} s"
    )


if __name__ == "__main__":
    main()
