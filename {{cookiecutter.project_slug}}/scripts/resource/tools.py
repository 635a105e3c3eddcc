"""The tools of the project, as this command runs them."""

import subprocess
import sys

from scripts.resource.names import ResourceError


def run(*command: str) -> None:
    """Run a tool of the project.

    Raises:
        ResourceError: if it fails, with what it printed.
    """
    program = [sys.executable, "-m", *command]
    done = subprocess.run(program, check=False, capture_output=True, text=True)  # noqa: S603 - a tool of the project
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        message = f"{' '.join(command[:2])} failed, and nothing was changed:\n{output}"
        raise ResourceError(message)


def format_files(paths: list[str]) -> None:
    """Sort and remove imports, and format."""
    run("ruff", "check", "--quiet", "--fix", "--select", "I,F401", *paths)
    run("ruff", "format", "--quiet", *paths)
