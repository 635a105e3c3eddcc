"""Engines: every connection of service, commands, migrations and tests is configured here."""

from sqlalchemy import NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.dialects import (
    command_listeners,
    connect_arguments,
    engine_listeners,
    pool_options,
    service_arguments,
    split_url,
)


def service_engine(url: str, *, read_only: bool, pooler: bool, echo: bool) -> AsyncEngine:
    """Return an engine for requests: with a pool and timeouts.

    A read-only engine has no transactions: each statement reads what is committed, without
    BEGIN and COMMIT, and the database rejects writes.
    """
    address, arguments = split_url(url)
    dialect = address.get_backend_name()
    arguments |= connect_arguments(dialect, pooler=pooler)
    arguments |= service_arguments(dialect, read_only=read_only, pooler=pooler)
    engine = create_async_engine(
        address,
        connect_args=arguments,
        echo=echo,
        hide_parameters=True,  # values of rows, such as emails, must not be logged
        **pool_options(dialect, read_only=read_only, pooler=pooler),
    )
    for name, listener in engine_listeners(dialect, read_only=read_only).items():
        event.listen(engine.sync_engine, name, listener)
    return engine


def command_engine(url: str, *, pooler: bool = False) -> AsyncEngine:
    """Return an engine for migrations and other commands: without pool and statement timeout.

    On SQLite it does not enforce foreign keys: recreating a table would delete the rows that
    refer to it.
    """
    address, arguments = split_url(url)
    dialect = address.get_backend_name()
    arguments |= connect_arguments(dialect, pooler=pooler)
    engine = create_async_engine(address, connect_args=arguments, poolclass=NullPool)
    for name, listener in command_listeners(dialect).items():
        event.listen(engine.sync_engine, name, listener)
    return engine
