"""Migrations: they create the tables of the models, on databases with rows, both ways."""

import asyncio
import shutil
from argparse import Namespace
from collections.abc import Callable, Generator
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, insert, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.db import migrations
from app.db.base import Base
from app.db.session import build_engine
from tests.database import temporary_database
from tests.helpers import ROOT, alembic_config
from tests.rows import add_missing_rows, count_rows

Result = TypeVar("Result")


@pytest.fixture
def url() -> Generator[str]:
    """Yield the URL of an empty database."""
    with temporary_database() as url:
        yield url


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Return a copy of the migrations."""
    return shutil.copytree(ROOT / "alembic", tmp_path / "alembic")


@pytest.fixture
def config(url: str, scripts: Path) -> Config:
    """Return Alembic's configuration for the empty database and the copy of the migrations."""
    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(scripts))
    return config


def run(url: str, work: Callable[[Connection], Result]) -> Result:
    """Run work in a transaction, and return its result."""

    async def run_in_transaction() -> Result:
        engine = build_engine(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return asyncio.run(run_in_transaction())


def test_models_and_migrations_agree(url: str) -> None:
    command.upgrade(alembic_config(url), "head")
    command.check(alembic_config(url))


def test_head_revision_is_the_one_that_alembic_finds() -> None:
    heads = ScriptDirectory.from_config(alembic_config("")).get_heads()

    assert len(heads) == 1, f"two migrations follow the same one; run: alembic merge {heads}"
    assert set(heads) == migrations.HEADS


def test_heads_are_the_revisions_that_no_other_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, line in {"a": None, "b": "a", "c": "a", "d": ("b", "c"), "e": "c"}.items():
        script = f"revision: str = {name!r}\ndown_revision = (\n    {line!r}\n)\nother = print\n"
        (tmp_path / f"{name}.py").write_text(script)
    monkeypatch.setattr(migrations, "VERSIONS", tmp_path)

    assert migrations.find_heads() == {"d", "e"}


def upgrade_with_rows(config: Config) -> None:
    """Upgrade to one revision after the other, with a row in every table."""
    url = config.attributes["url"]
    for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
        try:
            command.upgrade(config, script.revision)
        except DBAPIError as error:
            message = (
                f"The migration {Path(script.path).name} fails on tables that have rows. A new "
                "column that is not nullable needs a value for them: mapped_column("
                "server_default=...) in the model, then write the migration again. See Database "
                "and migrations in README.md."
            )
            raise AssertionError(message) from error
        run(url, add_missing_rows)


def test_every_migration_upgrades_a_database_with_rows(url: str) -> None:
    upgrade_with_rows(alembic_config(url))


def test_migrations_downgrade_and_upgrade_with_rows(url: str) -> None:
    config = alembic_config(url)
    command.upgrade(config, "head")
    run(url, add_missing_rows)

    command.downgrade(config, "base")
    command.upgrade(config, "head")

    run(url, add_missing_rows)
    command.check(config)


def add_migration(scripts: Path, upgrade: str) -> None:
    """Write a migration that follows the last one."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    head = ScriptDirectory.from_config(config).get_current_head()
    (scripts / "versions" / "next.py").write_text(f"""
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = {head!r}


def upgrade():
    {upgrade}
""")


@pytest.mark.parametrize("default", ["None", "'x'"])
def test_required_column_without_server_default_is_reported(
    config: Config, scripts: Path, default: str
) -> None:
    column = f"sa.Column('new', sa.String(9), nullable=False, server_default={default})"
    add_migration(scripts, f"op.add_column('users', {column})")

    if default == "None":
        with pytest.raises(AssertionError, match="server_default"):
            upgrade_with_rows(config)
    else:
        upgrade_with_rows(config)


def test_table_whose_row_needs_other_values_is_reported(config: Config, scripts: Path) -> None:
    check = "sa.CheckConstraint('size > 9', 'big')"
    size = "sa.Column('size', sa.Integer, nullable=False)"
    add_migration(scripts, f"op.create_table('boxes', {size}, {check})")

    with pytest.raises(AssertionError, match="boxes to ROWS"):
        upgrade_with_rows(config)


def test_migrations_can_be_printed_as_sql(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = alembic_config(url)
    config.output_buffer = None
    command.upgrade(config, "head", sql=True)

    assert "CREATE TABLE users" in capsys.readouterr().out


def test_recreating_a_table_on_sqlite_keeps_rows_that_refer_to_it(
    config: Config, scripts: Path, tmp_path: Path
) -> None:
    url = config.attributes["url"] = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    command.upgrade(config, "head")
    run(url, add_missing_rows)

    recreate = "with op.batch_alter_table('users', recreate='always'):\n        pass"
    add_migration(scripts, recreate)
    command.upgrade(config, "head")

    tables = Base.metadata.sorted_tables
    assert run(url, lambda c: [count_rows(c, table) for table in tables]) == [1] * len(tables)


def test_autogenerated_server_defaults_work_on_both_databases(
    config: Config, scripts: Path
) -> None:
    for script in (scripts / "versions").glob("*.py"):
        script.unlink()

    command.revision(config, "All tables", autogenerate=True)

    (script,) = (scripts / "versions").glob("*.py")
    written = script.read_text()
    assert "server_default=sa.false()" in written
    assert "server_default=sa.true()" in written
    assert "server_default=sa.func.now()" in written
    assert "server_default=sa.text" not in written


class Color(StrEnum):
    """Values that differ from their names."""

    RED = "light red"
    BLUE = "blue"


class OtherBase(DeclarativeBase):
    """Base of a model that the migrations do not know."""

    type_annotation_map = Base.type_annotation_map


class Thing(OtherBase):
    """A row with types that differ between databases."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    color: Mapped[Color] = mapped_column(server_default=Color.RED)
    options: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tags: Mapped[list[str]] = mapped_column(server_default='["new"]')


def test_enum_and_json_columns_are_added_by_autogenerate_on_both_databases(
    config: Config, scripts: Path
) -> None:
    url = config.attributes["url"]
    for script in (scripts / "versions").glob("*.py"):
        script.unlink()
    add_migration(
        scripts, "op.create_table('things', sa.Column('id', sa.Integer, primary_key=True))"
    )
    command.upgrade(config, "head")
    run(
        url,
        lambda connection: connection.execute(insert(table("things", column("id"))).values(id=1)),
    )
    config.attributes["metadata"] = OtherBase.metadata

    command.revision(config, "Columns", autogenerate=True)
    command.upgrade(config, "head")

    command.check(config)
    rows = run(url, lambda connection: connection.execute(select(Thing.__table__)).all())
    assert [tuple(row) for row in rows] == [(1, Color.RED, {}, ["new"])]
    stored = run(url, lambda connection: connection.scalar(text("SELECT color FROM things")))
    assert stored == "light red"


@pytest.mark.parametrize("is_ours", [True, False])
def test_autogenerate_drops_only_tables_that_the_migrations_have_created(
    config: Config,
    scripts: Path,
    is_ours: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    column = "sa.Column('id', sa.Integer, primary_key=True)"
    create = f'op.create_table("others", {column})'
    add_migration(scripts, create if is_ours else "pass")
    command.upgrade(config, "head")
    if not is_ours:
        sql = text("CREATE TABLE others (id INTEGER PRIMARY KEY, email VARCHAR(9) UNIQUE)")
        run(config.attributes["url"], lambda connection: connection.execute(sql))

    command.revision(config, "Newest", autogenerate=True)

    (script,) = (scripts / "versions").glob("*newest.py")
    assert ("others" in script.read_text()) == is_ours


def test_migration_is_not_written_if_models_and_database_agree(
    config: Config, scripts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.upgrade(config, "head")
    before = set(scripts.rglob("*.py"))
    config.cmd_opts = Namespace(autogenerate=True)  # as on the command line

    command.revision(config, "Nothing", autogenerate=True)

    assert "no migration is needed" in capsys.readouterr().out
    assert set(scripts.rglob("*.py")) == before
