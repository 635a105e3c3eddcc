"""Leave out what was not chosen, and give the project its own secrets."""

import json
from collections.abc import Iterator
from pathlib import Path

# The only rendered line. JSON never has three quotes in a row, so no answer can close this literal.
ANSWERS = r"""{{ cookiecutter | tojson }}"""
# {% raw %}

# What goes with an answer, and with no other.
OPTIONAL: dict[str, dict[str, tuple[str, ...]]] = {
    ".github": {"ci": ("github",)},
    ".gitlab-ci.yml": {"ci": ("gitlab",)},
    "scripts/postgres.py": {"database": ("postgresql",)},
    "Dockerfile": {"deployment": ("docker", "kubernetes")},
    ".dockerignore": {"deployment": ("docker", "kubernetes")},
    "compose.yaml": {"deployment": ("docker", "kubernetes")},
    "kubernetes": {"deployment": ("kubernetes",)},
}


def unwanted(answers: dict[str, str]) -> Iterator[str]:
    """Yield the paths that the answers leave out."""
    for path, conditions in OPTIONAL.items():
        if any(answers[question] not in values for question, values in conditions.items()):
            yield path


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it."""
    if not path.is_dir():
        path.unlink()
        return
    for child in path.iterdir():
        remove(child)
    path.rmdir()


def main() -> None:
    """Finish the project in the current folder."""
    answers = json.loads(ANSWERS)
    for path in unwanted(answers):
        remove(Path(path))
    for cache in [*Path().rglob("__pycache__"), *Path().glob(".*_cache")]:
        remove(cache)  # of a checkout that was worked in
    exec(Path("scripts/make_env.py").read_text(), {"__name__": "__main__"})  # noqa: S102 - ours; half the time of runpy
    print(f"\nYour service is in {Path.cwd()}\nStart it:\n\n    cd {Path.cwd()} && make dev\n")


if __name__ == "__main__":
    main()
# {% endraw %}
