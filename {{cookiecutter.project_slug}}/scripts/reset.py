"""Empty the database of development: `make db-reset`."""

import asyncio

import typer
from sqlalchemy import Connection, MetaData, make_url
from sqlalchemy.schema import CreateSchema, DropSchema

from app.config import settings
from app.db.engine import command_engine

LOCAL_HOSTS = {None, "", "localhost", "127.0.0.1", "::1"}


def main() -> None:
    """Drop everything in the database; the migrations create its tables again."""
    host = make_url(settings.DATABASE_URL).host
    if not settings.DEBUG or host not in LOCAL_HOSTS:
        typer.echo("This is for development: DEBUG must be set, the database local.", err=True)
        raise typer.Exit(1)
    asyncio.run(_reset())
    typer.echo(f"{make_url(settings.DATABASE_URL)!r} is empty.")


async def _reset() -> None:
    engine = command_engine(settings.DATABASE_URL)
    async with engine.begin() as connection:
        await connection.run_sync(_drop_everything)
    await engine.dispose()
    await asyncio.sleep(0.05)  # the thread of aiosqlite needs the event loop to end


def _drop_everything(connection: Connection) -> None:
    schema = connection.dialect.default_schema_name
    if schema and connection.dialect.name == "postgresql":
        connection.execute(DropSchema(schema, cascade=True))
        connection.execute(CreateSchema(schema))
    else:
        metadata = MetaData()
        metadata.reflect(connection)
        metadata.drop_all(connection)


if __name__ == "__main__":
    typer.run(main)
