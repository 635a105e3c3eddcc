"""Alembic environment: runs the migrations on the database, or prints them as SQL."""

import asyncio
import re
from collections.abc import Iterator
from logging.config import fileConfig
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from alembic.operations.ops import (
    AddColumnOp,
    DropColumnOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    OpContainer,
)
from sqlalchemy import Connection, NullPool
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql.elements import False_, True_
from sqlalchemy.sql.functions import now

from app.config import settings
from app.db.base import UTCDateTime
from app.db.dialects import with_driver
from app.models import Base

POSTGRESQL = sa.make_url("postgresql://").get_dialect()()
MISSING_VALUE = """No migration was written, because existing rows have no value for {columns}.
Give the column a value in the model: mapped_column(server_default=...).
Or write Mapped[... | None], set the values in that migration, and remove None in the next one."""
NO_DIFFERENCE = """No migration is needed: the models and the database agree.
(Check constraints are not compared: write their migration by hand, alembic revision -m '...')"""
LOST_DATA = """The migration drops {names}, with the data.
If you have renamed it, write op.rename_table() or op.alter_column(new_column_name=...) instead."""

config = context.config
if config.cmd_opts and config.config_file_name:  # the command line, not a test
    fileConfig(config.config_file_name, disable_existing_loggers=False)

url = with_driver(config.attributes.get("url", settings.DATABASE_URL))


class CompareServerDefault:
    """Compares server defaults by their text; databases return it in quotes and with casts."""

    def compare_server_default(
        self,
        _inspected_column: object,
        column: sa.Column[Any],
        _rendered_default: object,
        inspected_default: str | None,
    ) -> bool:
        """Return whether the server default has changed."""
        default = getattr(column.server_default, "arg", None)
        if default is None or inspected_default is None:
            return default is not None or inspected_default is not None
        if isinstance(default, sa.TextClause):
            return plain_text(str(default)) != plain_text(inspected_default)
        return isinstance(default, str) and default != plain_text(inspected_default)


class PostgreSQLImpl(CompareServerDefault, PostgresqlImpl):
    """Creates the type of a native Enum column that is added to a table, as for a new table."""

    __dialect__ = "postgresql"

    def add_column(self, table_name: str, column: sa.Column[Any], **options: Any) -> None:  # noqa: ANN401 - passed on
        """Add a column."""
        if isinstance(column.type, sa.Enum) and column.type.native_enum and self.connection:
            column.type.create(self.connection, checkfirst=True)
        super().add_column(table_name, column, **options)


class LiteImpl(CompareServerDefault, SQLiteImpl):
    """SQLite."""

    __dialect__ = "sqlite"


def plain_text(sql: str) -> str:
    """Return the value of an SQL literal: `'it''s'::character varying` is `it's`."""
    sql = re.sub(r"::[\w\s()]+$", "", sql).removeprefix("(").removesuffix(")")
    is_quoted = sql[:1] == sql[-1:] == "'"
    return sql[1:-1].replace("''", "'") if is_quoted else sql


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Render types and server defaults so that the migration works on both databases.

    They come from a model or, to drop what the models no longer have, from the database in use.
    """
    if kind == "type":
        return render_type(item, context.imports)
    if kind == "server_default":
        return render_server_default(getattr(item, "arg", None))
    return False


def render_type(item: sa.types.TypeEngine[Any], imports: set[str]) -> str | Literal[False]:
    """Return the code of a type, or False for Alembic's own."""
    if isinstance(item, UTCDateTime | sa.DateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, sa.Enum) and not item.native_enum:
        return f"sa.String({item.length})"
    if not isinstance(item, sa.JSON) or isinstance(item, postgresql.JSONB):
        return False
    if isinstance(item.dialect_impl(POSTGRESQL), postgresql.JSONB):  # by with_variant()
        imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return "sa.JSON()"


def render_server_default(default: Any) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Return the code of a server default, or False for Alembic's own."""
    if isinstance(default, True_ | False_):
        return f"sa.{default}()"
    sql = re.sub(r"::[a-z ]+$", "", str(default))  # without PostgreSQL's cast
    if isinstance(default, now) or "now()" in sql or "'now'" in sql:
        return "sa.func.now()"
    return f"sa.text({sql!r})" if isinstance(default, sa.TextClause) else False


def include_object(
    _object: object,
    name: str | None,
    kind: str,
    reflected: bool,  # noqa: FBT001 - Alembic's own signature
    model: object,
) -> bool:
    """Leave tables alone that neither the models nor our migrations have created."""
    is_foreign = kind == "table" and reflected and model is None
    return not is_foreign or name in tables_of_migrations()


def tables_of_migrations() -> set[str]:
    """Return the names of the tables that the migrations create or rename."""
    scripts = Path(context.script.versions).glob("*.py")
    created = r"""op\.(?:create_table|rename_table)\(\s*(?:["']\w+["'],\s*)?["'](\w+)["']"""
    return {name for script in scripts for name in re.findall(created, script.read_text("utf-8"))}


def check_migration(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    """Say what to do with an autogenerated migration. Write none that is empty, or would fail.

    Raises:
        SystemExit: if a new column needs a value in existing rows.
    """
    upgrade = directives[0].upgrade_ops
    if not getattr(config.cmd_opts, "autogenerate", False) or upgrade is None:
        return
    operations = list(flatten(upgrade))
    if columns := [name for name in map(needs_value, operations) if name]:
        raise SystemExit(MISSING_VALUE.format(columns=", ".join(columns)))
    if not operations:
        directives.clear()
        print(NO_DIFFERENCE)  # noqa: T201 - a command
        return
    if dropped := [name for name in map(drops, operations) if name]:
        print(LOST_DATA.format(names=", ".join(dropped)))  # noqa: T201 - a command
    print("Read the migration, then apply it: make migrate")  # noqa: T201 - a command


def flatten(container: OpContainer) -> Iterator[MigrateOperation]:
    """Yield the operations of a migration, also those inside of a table."""
    for operation in container.ops:
        if isinstance(operation, OpContainer):
            yield from flatten(operation)
        else:
            yield operation


def needs_value(operation: MigrateOperation) -> str:
    """Return the name of a new column that existing rows have no value for, or ""."""
    if not isinstance(operation, AddColumnOp):
        return ""
    column = operation.column
    is_filled = column.nullable or column.server_default is not None
    return "" if is_filled else f"{operation.table_name}.{column.name}"


def drops(operation: MigrateOperation) -> str:
    """Return the name of a table or column that is dropped, or ""."""
    if isinstance(operation, DropColumnOp):
        return f"{operation.table_name}.{operation.column_name}"
    return operation.table_name if isinstance(operation, DropTableOp) else ""


options: dict[str, Any] = {
    "target_metadata": config.attributes.get("metadata", Base.metadata),
    "render_as_batch": True,  # SQLite cannot alter a table in place
    "render_item": render_item,
    "include_object": include_object,
    "compare_server_default": True,
    "process_revision_directives": check_migration,
}


def migrate(connection: Connection) -> None:
    """Run the migrations on a connection."""
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_online() -> None:
    """Run the migrations on the database."""
    # Not the engine of the service: that one has a statement timeout, and enforces foreign keys on
    # SQLite, where recreating a table would delete the rows that refer to it.
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


def migrate_offline() -> None:
    """Print the migrations as SQL."""
    context.configure(url=url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    migrate_offline()
else:
    asyncio.run(migrate_online())
