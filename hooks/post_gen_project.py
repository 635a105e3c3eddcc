"""Remove the files that were not chosen, and write `.env`."""

import json
import runpy
import shlex
import shutil
import tempfile
from pathlib import Path

# The only rendered line: JSON never contains three quotes in a row, so no answer can end the text.
ANSWERS = r"""{{ cookiecutter | tojson }}"""
# {% raw %}

# Paths that belong to certain answers only.
OPTIONAL: dict[str, dict[str, tuple[str, ...]]] = {
    ".github": {"ci": ("github",)},
    ".gitlab-ci.yml": {"ci": ("gitlab",)},
    "scripts/postgres.py": {"database": ("postgresql",)},
    "Dockerfile": {"deployment": ("docker", "kubernetes")},
    ".dockerignore": {"deployment": ("docker", "kubernetes")},
    "compose.yaml": {"deployment": ("docker", "kubernetes")},
    "nginx.conf": {"deployment": ("docker", "kubernetes")},
    "kubernetes": {"deployment": ("kubernetes",)},
}

CACHES = ("__pycache__", ".*_cache", ".hypothesis")


def unwanted(answers: dict[str, str]) -> list[str]:
    """Return the paths that were not chosen."""
    return [
        path
        for path, conditions in OPTIONAL.items()
        if any(answers[question] not in values for question, values in conditions.items())
    ]


def caches() -> list[str]:
    """Return the caches of tools that were run in the template folder."""
    return [str(path) for name in CACHES for path in Path().rglob(name)]


def remove(path: str) -> None:
    """Delete a file or a folder, if it exists."""
    if Path(path).is_dir():
        shutil.rmtree(path)
    else:
        Path(path).unlink(missing_ok=True)


def is_update(answers: dict[str, str]) -> bool:
    """Return whether cruft runs the hook in a temporary folder, to compute an update."""
    temporary = Path(tempfile.gettempdir()).resolve()
    return "_output_dir" not in answers and Path.cwd().resolve().is_relative_to(temporary)


def main() -> None:
    """Finish the project in the current folder."""
    answers = json.loads(ANSWERS)
    for path in unwanted(answers) + caches():
        remove(path)
    runpy.run_path("scripts/make_env.py", run_name="__main__")
    if not is_update(answers):
        folder = Path.cwd()
        command = f"cd {shlex.quote(str(folder))} && make dev"
        print(f"\nThe service is in {folder}\nRun it:\n\n    {command}\n")


if __name__ == "__main__":
    main()
# {% endraw %}
