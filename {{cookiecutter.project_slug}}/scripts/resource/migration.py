"""Migrations of resources, which Alembic writes from the models."""

import re
import shutil
import subprocess
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from scripts.resource.names import ResourceError
from scripts.resource.tools import format_files, run

COLUMN = re.compile(r'sa\.Column\(\s*"(\w+)"')
# With the state of the sequence, so that ids of deleted rows are not used again.
COPY = """\
    columns = {columns}
    old = sa.table("{source}", *map(sa.column, columns))
    new = sa.table("{target}", *map(sa.column, columns))
    op.execute(sa.insert(new).from_select(columns, sa.select(old)))
    if op.get_context().dialect.name == "postgresql":
        op.execute("SELECT setval('{target}_id_seq', last_value, is_called) FROM {source}_id_seq")
    else:
        op.execute("DELETE FROM sqlite_sequence WHERE name = '{target}'")
        op.execute("UPDATE sqlite_sequence SET name = '{target}' WHERE name = '{source}'")
"""


def autogenerate(title: str) -> Path:
    """Write a migration from the models, and return its file."""
    run("alembic", "revision", "--autogenerate", "-m", title)
    return Path(ScriptDirectory.from_config(Config("alembic.ini")).get_revision("head").path)


def migrate_back(added: str, removed: str) -> None:
    """Delete the migration that added the table, if it is the last one; or write another.

    One that is in git may have been applied elsewhere, and stays.
    """
    head = ScriptDirectory.from_config(Config("alembic.ini")).get_revision("head")
    if head and head.doc.rstrip(".") == added and not _is_in_git(head.path):
        run("alembic", "downgrade", f"{head.revision}-1")
        Path(head.path).unlink()
    else:
        autogenerate(removed)


def _is_in_git(path: str) -> bool:
    git = shutil.which("git")
    command = [git or "git", "ls-files", "--error-unmatch", path]
    return bool(git) and not subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603 - of this project


def rename_table(title: str, old: str, new: str) -> None:
    """Write a migration that creates a table, copies the rows of another, and drops that."""
    file = autogenerate(title)
    try:
        code = file.read_text(encoding="utf-8")
        for source, target in ((old, new), (new, old)):
            code = _with_copy(code, source, target)
    except ResourceError:
        file.unlink()
        raise
    file.write_text(code, encoding="utf-8")
    format_files([str(file)])


def _with_copy(code: str, source: str, target: str) -> str:
    created = re.findall(rf'op\.create_table\(\s*"{target}"(.*?)\n    \)', code, re.DOTALL)
    before, drop, after = code.partition(f'    op.drop_table("{source}")\n')
    if len(created) != 1 or not drop:
        message = "The models have other changes: write their migration first."
        raise ResourceError(message)
    values = {"source": source, "target": target, "columns": tuple(COLUMN.findall(created[0]))}
    return before + COPY.format(**values) + drop + after
