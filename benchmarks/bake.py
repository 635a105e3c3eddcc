"""Time of a bake, compared with an empty template: `uv run python benchmarks/bake.py`.

Each figure is the minimum of interleaved runs of the command line, in seconds. They write to
`/dev/shm` if it exists, because a disk would still be busy with the previous run.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 20
ROOT = Path(__file__).parents[1]
MEMORY = Path("/dev/shm")  # noqa: S108 - only for a folder of our own


def make_empty_template(folder: Path) -> None:
    """Write the smallest possible template."""
    (folder / "{{cookiecutter.project_slug}}").mkdir()
    (folder / "cookiecutter.json").write_text(json.dumps({"project_slug": "empty"}))


def bake(template: Path, output: Path) -> float:
    """Return the seconds that a bake with all defaults takes."""
    options = ["--no-input", "--output-dir", str(output)]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(template), *options],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        empty = Path(folder, "empty")
        empty.mkdir()
        make_empty_template(empty)
        outputs = [Path(folder, str(number)) for number in range(ROUNDS)]
        rounds = [(bake(empty, output), bake(ROOT, output)) for output in outputs]
    base, ours = (min(column) for column in zip(*rounds, strict=True))
    print(f"empty {base:.3f} s, ours {ours:.3f} s, ratio {ours / base:.2f}")


if __name__ == "__main__":
    main()
