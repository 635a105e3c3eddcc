"""Add, remove or rename a resource: `python -m scripts.resource --help`."""

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from scripts.resource.fields import Field, Resource, query_names, reject_ambiguous
from scripts.resource.migration import autogenerate, migrate_back, rename_table
from scripts.resource.names import Names, ResourceError
from scripts.resource.project import (
    RESOURCES,
    Example,
    Files,
    copy,
    files,
    find_example,
    find_kept_example,
    find_references,
    find_table,
    keep_example,
    left_out,
    register,
    registration,
    renamed,
    unregister,
)
from scripts.resource.tools import format_files, run

VERSIONS = Path("alembic/versions")
cli = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(help="Singular in snake case, such as order_line.")]
Fields = Annotated[str, typer.Argument(help='Such as "total:decimal due:date? note:text?".')]
Plural = Annotated[str, typer.Option(help="Plural, if it is irregular.")]
NewPlural = Annotated[str, typer.Option(help="Its new plural, if it is irregular.")]
Like = Annotated[str, typer.Option(help="Resource to copy; by default item, or any other one.")]
LikePlural = Annotated[str, typer.Option(help="Its plural, if it is irregular.")]
Owner = Annotated[
    bool | None,
    typer.Option(
        help="Users own it, or all read and superusers write it; by default like the example."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the files, and change none.")]


@cli.command()
def add(  # noqa: PLR0913 - options of a command
    name: Name,
    fields: Fields,
    *,
    plural: Plural = "",
    like: Like = "",
    like_plural: LikePlural = "",
    owner: Owner = None,
    dry_run: DryRun = False,
) -> None:
    """Add a resource: a copy of another one, with other fields."""
    with _plain_errors():
        names, parsed = Names.parse(name, plural), _parse_fields(fields)
        reject_ambiguous(parsed, names.singular)
        _require(files(names), exist=False)
        example = _example(like, like_plural)
        is_owned = example.is_owned if owner is None else owner
        if is_owned and not example.is_owned:
            message = f"{example.names.words.plural} have no owner: copy what users own."
            raise ResourceError(message)
        new = Resource(names, [_resolve(field, is_owned=is_owned) for field in parsed], is_owned)
        texts = copy(example, new) | register(names, registration(example, new))
        title = f"Add {names.words.plural}"
        omitted = left_out(example, names, texts)
        _apply(texts, title, lambda: autogenerate(title), dry_run=dry_run)
        for one in omitted:
            typer.echo(f"left out: {one}")
        typer.echo(f"query parameters of its fields: {', '.join(query_names(new.fields))}")
        typer.echo(f"Describe {names.path} in README.md, section API.")


@cli.command()
def remove(name: Name, *, plural: Plural = "", dry_run: DryRun = False) -> None:
    """Remove a resource, with its table."""
    with _plain_errors():
        old = Names.parse(name, plural)
        _require_unused(old, "Remove that first.")
        shared = {path: module.code for path, module in unregister(old).items()}
        texts = dict.fromkeys(files(old)) | shared | keep_example(old)
        added, removed = f"Add {old.words.plural}", f"Remove {old.words.plural}"
        _apply(texts, removed, lambda: migrate_back(added, removed), dry_run=dry_run)


@cli.command()
def rename(
    name: Name,
    new_name: Name,
    *,
    plural: Plural = "",
    new_plural: NewPlural = "",
    dry_run: DryRun = False,
) -> None:
    """Rename a resource, and its table with all rows."""
    with _plain_errors():
        old, new = Names.parse(name, plural), Names.parse(new_name, new_plural)
        _require_unused(old, "A rename does not follow that: do it by hand.")
        _require(files(new), exist=False)
        title = f"Rename {old.words.plural} to {new.words.plural}"
        _apply(
            renamed(old, new),
            title,
            lambda: rename_table(title, old.plural, new.plural),
            dry_run=dry_run,
        )


def _example(like: str, like_plural: str) -> Example:
    """Return the resource to copy."""
    if not like:
        return find_example() or find_kept_example()
    names = Names.parse(like, like_plural)
    _require(files(names), exist=True)
    return Example(names, files(names), is_owned=_is_owned(names))


def _apply(texts: Files, title: str, migrate: Callable[[], object], *, dry_run: bool) -> None:
    """Write the files and the migration, or nothing; list what was or would be written."""
    changed = {path: text for path, text in texts.items() if text is None or _is_new(path, text)}
    if not dry_run:
        with _restored_on_failure(texts):
            _write(texts)
            migrate()
            run("alembic", "upgrade", "head")
    would = "would " if dry_run else ""
    for path, text in changed.items():
        typer.echo(f"{would}{'delete' if text is None else 'write'} {path}")
    typer.echo(f"migration: {title}")


def _is_new(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text(encoding="utf-8") != text


def _parse_fields(text: str) -> list[Field]:
    fields = [Field.parse(field) for field in re.findall(r"[^\s(]+(?:\([^()]*\))?\S*", text)]
    if not fields:
        message = "A resource needs fields, such as total:decimal due:date?"
        raise ResourceError(message)
    return fields


def _require(paths: Iterable[Path], *, exist: bool) -> None:
    """Reject a resource that does not exist, or would overwrite files."""
    for path in paths:
        if path.exists() != exist:
            missing = "There is no such resource"
            message = f"{missing}: {path} does not exist." if exist else f"{path} exists already."
            raise ResourceError(message)


def _resolve(field: Field, *, is_owned: bool) -> Field:
    """Return a field that knows whether what it refers to has an owner.

    Raises:
        ResourceError: if it refers to no resource, or everyone's object to that of a user.
    """
    if not field.parent:
        return field
    _require(files(field.parent), exist=True)
    is_parent_owned = _is_owned(field.parent)
    if is_parent_owned and not is_owned:
        words = field.parent.words.plural
        message = f"Users own {words}, so what everyone reads cannot refer to them."
        raise ResourceError(message)
    return field._replace(is_parent_owned=is_parent_owned)


def _is_owned(names: Names) -> bool:
    """Return whether users own a resource.

    Raises:
        ResourceError: if the tests do not know it as a resource.
    """
    table = find_table(names)
    if not table:
        message = f"{RESOURCES} has no row of {names.words.plural}."
        raise ResourceError(message)
    return table == "OWNED"


def _require_unused(names: Names, advice: str) -> None:
    """Reject a resource that does not exist, or that other code uses."""
    _require(files(names), exist=True)
    if users := find_references(names):
        paths = ", ".join(map(str, users))
        message = f"{paths} would break: {names.words.plural} are used there. {advice}"
        raise ResourceError(message)


@contextmanager
def _restored_on_failure(paths: Iterable[Path]) -> Generator[None]:
    """Leave the files as they were if the block fails."""
    migrations = set(VERSIONS.glob("*.py"))
    every = [*paths, *migrations]
    before = {path: path.read_bytes() if path.exists() else None for path in every}
    try:
        yield
    except BaseException:
        before |= dict.fromkeys(set(VERSIONS.glob("*.py")) - migrations)
        for path, content in before.items():
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        raise


def _write(texts: Files) -> None:
    """Write or delete files, and format them."""
    for path, text in texts.items():
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    format_files([str(p) for p, text in texts.items() if text is not None and p.suffix == ".py"])


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
