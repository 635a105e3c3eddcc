"""Add or remove a resource: `python -m scripts.resource --help`."""

import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from alembic.config import Config
from alembic.script import ScriptDirectory

from scripts.resource.fields import Field
from scripts.resource.names import Names, ResourceError
from scripts.resource.project import copy, files, find_example, register, unregister

cli = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(help="Singular in snake case, such as order_line.")]
Fields = Annotated[str, typer.Argument(help='Such as "total:decimal due:date? note:text?".')]
Plural = Annotated[str, typer.Option(help="Plural, if it is irregular.")]
Like = Annotated[str, typer.Option(help="Resource to copy; by default item, or any other one.")]
LikePlural = Annotated[str, typer.Option(help="Its plural, if it is irregular.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the files, and change none.")]


@cli.command()
def add(  # noqa: PLR0913 - options of a command
    name: Name,
    fields: Fields,
    *,
    plural: Plural = "",
    like: Like = "",
    like_plural: LikePlural = "",
    dry_run: DryRun = False,
) -> None:
    """Add a resource that users own: a copy of another one, with other fields."""
    with _plain_errors():
        new = Names.parse(name, plural)
        old = Names.parse(like, like_plural) if like else find_example()
        parsed = _parse_fields(fields)
        _require(files(old), exist=True)
        _require(files(new), exist=False)
        texts = copy(old, new, parsed) | register(new, parsed)
        title = f"Add {new.forms()['words'].plural}"
        if not dry_run:
            with _restored_on_failure(texts):
                _write(texts)
                _run("alembic", "revision", "--autogenerate", "-m", title)
        _report(texts, title)
        typer.echo("Apply the migration: make migrate")


@cli.command()
def remove(name: Name, *, plural: Plural = "", dry_run: DryRun = False) -> None:
    """Remove a resource, with its table."""
    with _plain_errors():
        old = Names.parse(name, plural)
        _require(files(old), exist=True)
        texts = dict.fromkeys(files(old)) | unregister(old)
        words = old.forms()["words"].plural
        if not dry_run:
            with _restored_on_failure(texts):
                _write(texts)
                _migrate_back(f"Add {words}", f"Remove {words}")
        _report(texts, f"Remove {words}")


def _parse_fields(text: str) -> list[Field]:
    fields = [Field.parse(field) for field in re.findall(r"[^\s(]+(?:\([^()]*\))?\S*", text)]
    names = [field.name for field in fields]
    if not fields or len(set(names)) < len(names):
        message = "A resource needs fields with different names, such as total:decimal due:date?"
        raise ResourceError(message)
    return fields


def _require(paths: Iterable[Path], *, exist: bool) -> None:
    """Reject a resource that does not exist, or would overwrite files."""
    for path in paths:
        if path.exists() != exist:
            message = f"{path} {'does not exist' if exist else 'exists already'}."
            raise ResourceError(message)


@contextmanager
def _restored_on_failure(paths: Iterable[Path]) -> Generator[None]:
    """Leave the files as they were if the block fails."""
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        raise


def _write(texts: Mapping[Path, str | None]) -> None:
    """Write or delete files, and format them."""
    for path, text in texts.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
    paths = [str(path) for path, text in texts.items() if text is not None]
    _run("ruff", "check", "--quiet", "--fix", "--select", "I,F401", *paths)
    _run("ruff", "format", "--quiet", *paths)


def _migrate_back(added: str, removed: str) -> None:
    """Delete the migration that added the table, if it is the last one; or write another.

    One that is in git may have been applied elsewhere, and stays.
    """
    script = ScriptDirectory.from_config(Config("alembic.ini"))
    head = script.get_revision("head")
    if head and head.doc.rstrip(".") == added and not _is_in_git(head.path):
        _run("alembic", "downgrade", f"{head.revision}-1")
        Path(head.path).unlink()
    else:
        _run("alembic", "revision", "--autogenerate", "-m", removed)


def _is_in_git(path: str) -> bool:
    git = shutil.which("git")
    command = [git or "git", "ls-files", "--error-unmatch", path]
    return bool(git) and not subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603 - of this project


def _run(*command: str) -> None:
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


def _report(texts: Mapping[Path, str | None], title: str) -> None:
    for path, text in texts.items():
        typer.echo(f"{'delete' if text is None else 'write'} {path}")
    typer.echo(f"migration: {title}")


@contextmanager
def _plain_errors() -> Generator[None]:
    """Print an error as a sentence, and exit with status 1."""
    try:
        yield
    except ResourceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    cli()
