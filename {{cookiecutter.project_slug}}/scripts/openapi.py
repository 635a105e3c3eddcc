"""Write the OpenAPI document to `openapi.json`, without a server: `python -m scripts.openapi`.

It is made with the defaults of all settings. Changes that break clients need a line in
`CHANGELOG.md`.
"""

import json
import os
import sys
from pathlib import Path

import typer
from dotenv import dotenv_values

from scripts.api_changes import Change, Document, compare

FILE = Path("openapi.json")
CHANGELOG = Path("CHANGELOG.md")


def find_unannounced(changes: list[Change]) -> list[str]:
    """Return the breaking changes that are not under Unreleased in `CHANGELOG.md`."""
    changelog = CHANGELOG.read_text(encoding="utf-8") if CHANGELOG.exists() else ""
    _, _, unreleased = changelog.partition("## Unreleased")
    unreleased, _, _ = unreleased.partition("\n## ")
    breaking = [str(change) for change in changes if change.is_breaking]
    return [line for line in breaking if line not in unreleased]


def read() -> Document:
    """Return the document of the file, or an empty one."""
    if not FILE.exists():
        return {"paths": {}}
    document: Document = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def use_default_settings() -> None:
    """Ignore the `.env` of a developer, except for what has no default: the file is everyone's."""
    developer = dotenv_values(".env")
    for name in ("DATABASE_URL", "SECRET_KEY"):
        os.environ.setdefault(name, developer.get(name) or "")
    os.environ["ENV_FILE"] = os.devnull


def main() -> int:
    """Write the file, unless a breaking change is not announced; return the exit status."""
    use_default_settings()
    from app.main import app  # noqa: PLC0415 - reads the settings

    document = app.openapi()
    changes = compare(read(), document) if FILE.exists() else []
    for change in changes:
        typer.echo(str(change))
    if unannounced := find_unannounced(changes):
        lines = "\n".join(f"* {line}" for line in unannounced)
        typer.echo(
            f"\nNot written. Add to {CHANGELOG}, under Unreleased, and run it again:\n{lines}",
            err=True,
        )
        return 1
    FILE.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"{FILE} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
