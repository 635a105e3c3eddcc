"""Comparison of models and database: which tables are ours, and which server defaults differ."""

import re
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from alembic import context
from alembic.ddl.impl import DefaultImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from alembic.operations.batch import ApplyBatchImpl


class PortableImpl(DefaultImpl):
    """What both databases have in common."""

    def add_column(self, table_name: str, column: sa.Column[Any], **options: Any) -> None:  # noqa: ANN401 - passed on
        """Add a column; create the type of a native Enum before, as for a new table."""
        if isinstance(column.type, sa.Enum) and column.type.native_enum and self.connection:
            column.type.create(self.connection, checkfirst=True)
        super().add_column(table_name, column, **options)

    def compare_server_default(
        self,
        inspector_column: object,  # noqa: ARG002 - Alembic's signature
        metadata_column: sa.Column[Any],
        rendered_metadata_default: object,  # noqa: ARG002 - Alembic's signature
        rendered_inspector_default: str | None,
    ) -> bool:
        """Return whether a server default has changed; databases add quotes and casts to it."""
        default = getattr(metadata_column.server_default, "arg", None)
        if default is None or rendered_inspector_default is None:
            return default is not None or rendered_inspector_default is not None
        stored = plain_text(rendered_inspector_default)
        if isinstance(default, sa.TextClause):
            return plain_text(str(default)) != stored
        return isinstance(default, str) and default != stored


class PortablePostgresqlImpl(PortableImpl, PostgresqlImpl):
    """PostgreSQL."""

    __dialect__ = "postgresql"


class PortableSQLiteImpl(PortableImpl, SQLiteImpl):
    """SQLite."""

    __dialect__ = "sqlite"

    def prep_table_for_batch(self, batch_impl: ApplyBatchImpl, table: sa.Table) -> None:
        """Let the copy of a table never reuse ids either: Alembic does not see AUTOINCREMENT."""
        has_one_key = len(table.primary_key.columns) == 1
        copied = cast("sa.Table", batch_impl.new_table)
        copied.dialect_options["sqlite"]["autoincrement"] = has_one_key


def plain_text(sql: str) -> str:
    """Return the value of an SQL literal: `'it''s'::character varying` is `it's`."""
    sql = re.sub(r"::[\w\s()]+$", "", sql).removeprefix("(").removesuffix(")")
    is_quoted = sql[:1] == sql[-1:] == "'"
    return sql[1:-1].replace("''", "'") if is_quoted else sql


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
