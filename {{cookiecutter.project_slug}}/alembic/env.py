"""Alembic environment: runs the migrations on the database, or prints them as SQL."""

import asyncio
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import settings
from app.db import autogenerate
from app.db.dialects import with_driver
from app.models import Base

config = context.config
if config.cmd_opts and config.config_file_name:  # the command line, not a test
    fileConfig(config.config_file_name, disable_existing_loggers=False)

url = with_driver(config.attributes.get("url", settings.DATABASE_URL))
metadata = config.attributes.get("metadata", Base.metadata)


def migrate(connection: Connection) -> None:
    """Run the migrations on a connection."""
    context.configure(connection=connection, target_metadata=metadata, **autogenerate.OPTIONS)
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
    context.configure(url=url, literal_binds=True, **autogenerate.OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    migrate_offline()
else:
    asyncio.run(migrate_online())
