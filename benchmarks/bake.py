"""How long a bake takes, against a bake of an empty template: `uv run benchmarks/bake.py`.

Each figure is the best of alternating runs of the command line, in seconds: what else the machine
does can only add to a run.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
ROOT = Path(__file__).parents[1]
GOAL = 1.3  # times the bake of an empty template


def make_empty_template(folder: Path) -> None:
    """Write the smallest template there is."""
    (folder / "{{cookiecutter.project_slug}}").mkdir()
    (folder / "cookiecutter.json").write_text(json.dumps({"project_slug": "empty"}))


def bake(template: Path) -> float:
    """Return the seconds that a bake with all defaults takes."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "-o", output]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
        return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder)
        make_empty_template(empty)
        rounds = [(bake(empty), bake(ROOT)) for _ in range(ROUNDS)]
    base, ours = (min(column) for column in zip(*rounds, strict=True))
    print(f"empty {base:.3f} s, ours {ours:.3f} s, ratio {ours / base:.2f} (goal {GOAL})")


if __name__ == "__main__":
    main()
