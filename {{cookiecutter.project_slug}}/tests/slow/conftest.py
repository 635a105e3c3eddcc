"""Fixtures of the tests that take a minute or two: `pytest tests/slow`."""

from collections.abc import Generator

import pytest
from alembic import command

from tests.conftest import alembic_config
from tests.database import server, temporary_database

pytest_plugins = ["schemathesis.pytest.plugin"]  # here only: the quick tests do not wait for it

BACKEND = server().get_backend_name()
# PostgreSQL locks rows, can be pooled, and is a process that can be away; SQLite is a file.
on_postgresql = pytest.mark.skipif(BACKEND != "postgresql", reason="only PostgreSQL has it")
# SQLite alone has one lock for the whole database, which keeps every writer away.
on_sqlite = pytest.mark.skipif(BACKEND != "sqlite", reason="only SQLite has it")


@pytest.fixture(scope="module")
def database() -> Generator[str]:
    """Yield the URL of a database with tables, for the servers of a module."""
    with temporary_database() as url:
        command.upgrade(alembic_config(url), "head")
        yield url
