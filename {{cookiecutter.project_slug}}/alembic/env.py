"""Alembic environment: runs the migrations on the database, or prints them as SQL."""

import asyncio
from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.config import settings
from app.db import autogenerate
from app.db.dialects import split_url, take_turns
from app.db.engine import command_engine
from app.db.errors import first_line
from app.models import Base

config = context.config
if config.cmd_opts and config.config_file_name:  # the command line, not a test
    fileConfig(config.config_file_name, disable_existing_loggers=False)

url = config.attributes.get("url", settings.DATABASE_URL)
options: dict[str, Any] = {
    "target_metadata": config.attributes.get("metadata", Base.metadata),
    "transactional_ddl": True,  # a migration that fails leaves nothing, also on SQLite
    **autogenerate.OPTIONS,
}


def migrate(connection: Connection) -> None:
    """Run the migrations on a connection."""
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        take_turns(connection)
        context.run_migrations()


async def migrate_online() -> None:
    """Run the migrations on the database."""
    engine = command_engine(url, pooler=settings.DATABASE_POOLER)
    try:
        connection = await engine.connect()
    except (DBAPIError, OSError) as error:
        await asyncio.sleep(0.05)  # the thread of aiosqlite needs the event loop to end
        message = f"The database is unreachable: {first_line(error)}"
        raise SystemExit(message) from None
    try:
        await connection.run_sync(migrate)
    except CommandError as error:
        if "locate revision" not in str(error):
            raise
        message = (
            f"{error}: the database was migrated by code that is not here, such as another "
            "branch. In development, empty it: make db-reset"
        )
        raise SystemExit(message) from None
    except DBAPIError as error:
        if config.cmd_opts is None:  # a test
            raise
        reason = f"{first_line(error)}\n{error.statement}"
        message = f"The database rejects a statement, and nothing was changed: {reason}"
        raise SystemExit(message) from None
    finally:
        await connection.close()
        await engine.dispose()


def migrate_offline() -> None:
    """Print the migrations as SQL."""
    address, _ = split_url(url)
    context.configure(url=address, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    migrate_offline()
else:
    asyncio.run(migrate_online())
