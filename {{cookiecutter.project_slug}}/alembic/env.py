"""Alembic environment: runs the migrations on the database, or prints them as SQL."""

import asyncio
import re
from logging.config import fileConfig
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations.ops import MigrationScript
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql.elements import False_, True_
from sqlalchemy.sql.functions import now

from app.config import settings
from app.db.base import UTCDateTime
from app.db.dialects import with_driver
from app.models import Base

config = context.config
if config.cmd_opts and config.config_file_name:  # the command line, not a test
    fileConfig(config.config_file_name, disable_existing_loggers=False)

url = with_driver(config.attributes.get("url", settings.DATABASE_URL))


class PostgreSQLImpl(PostgresqlImpl):
    """Creates the type of a native Enum column that is added to a table, as for a new table."""

    __dialect__ = "postgresql"

    def add_column(self, table_name: str, column: sa.Column[Any], **options: Any) -> None:  # noqa: ANN401 - passed on
        """Add a column."""
        if isinstance(column.type, sa.Enum) and column.type.native_enum and self.connection:
            column.type.create(self.connection, checkfirst=True)
        super().add_column(table_name, column, **options)


def render_item(kind: str, item: Any, _context: object) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Render types and server defaults so that the migration works on both databases."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, sa.Enum) and not item.native_enum:
        return f"sa.String({item.length})"
    default = getattr(item, "arg", None)
    if kind == "server_default" and isinstance(default, True_ | False_):
        return f"sa.{default}()"
    if kind == "server_default" and isinstance(default, now):
        return "sa.func.now()"
    return False


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
    created = r'op\.(?:create_table|rename_table)\(\s*(?:"\w+",\s*)?"(\w+)"'
    return {name for script in scripts for name in re.findall(created, script.read_text("utf-8"))}


def compare_server_default(
    _context: object, _column: object, model_column: sa.Column[Any], *_: object
) -> bool | None:
    """Compare server defaults as Alembic does, except those of JSON, which has no equality."""
    return False if isinstance(model_column.type, sa.JSON) else None


def skip_empty_migration(
    _context: object, _revision: object, directives: list[MigrationScript]
) -> None:
    """Write no migration if the models and the database agree."""
    if not getattr(config.cmd_opts, "autogenerate", False):
        return
    if directives[0].upgrade_ops and directives[0].upgrade_ops.is_empty():
        directives.clear()
        print("The models and the database agree: no migration is needed.")  # noqa: T201 - a command
    else:
        print("Read the migration, then apply it: make migrate")  # noqa: T201 - a command


options: dict[str, Any] = {
    "target_metadata": config.attributes.get("metadata", Base.metadata),
    "render_as_batch": url.startswith("sqlite"),  # SQLite cannot alter a table in place
    "render_item": render_item,
    "include_object": include_object,
    "compare_server_default": compare_server_default,
    "process_revision_directives": skip_empty_migration,
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
