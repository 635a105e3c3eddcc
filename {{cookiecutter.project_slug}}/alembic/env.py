"""How Alembic reaches the database, online or as a script of SQL."""

import asyncio
from logging.config import fileConfig
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import settings
from app.db.base import UTCDateTime
from app.models import Base

config = context.config
if config.cmd_opts and config.config_file_name:  # the command, not a program that calls Alembic
    fileConfig(config.config_file_name, disable_existing_loggers=False)

url = config.attributes.get("url", settings.DATABASE_URL)


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our type of time as the type of column that it is."""
    return (
        "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UTCDateTime) else False
    )


options: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "render_as_batch": url.startswith("sqlite"),  # SQLite cannot alter a table in place
    "render_item": render_item,
    "compare_server_default": True,
}


def migrate(connection: Connection) -> None:
    """Run the migrations on a connection."""
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_online() -> None:
    """Run the migrations on the database."""
    # Not the engine of the service: it limits the time of a statement, and its SQLite keeps foreign
    # keys, so that a table which is made anew would take the rows that refer to it along.
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
