"""Fixtures of the slow tests: end-to-end and fault injection. Run them by `pytest tests/slow`."""

from collections.abc import Generator

import pytest
from alembic import command

from tests.database import server_url, temporary_database
from tests.helpers import alembic_config

pytest_plugins = ["schemathesis.pytest.plugin"]  # only here: it takes a second to load

BACKEND = server_url().get_backend_name()
# Row locks, PgBouncer, and a server process that can fail.
on_postgresql = pytest.mark.skipif(BACKEND != "postgresql", reason="requires PostgreSQL")
# One lock for the whole database, which blocks every writer.
on_sqlite = pytest.mark.skipif(BACKEND != "sqlite", reason="requires SQLite")


@pytest.fixture(scope="module")
def database() -> Generator[str]:
    """Yield the URL of a migrated database, for the servers of a module."""
    with temporary_database() as url:
        command.upgrade(alembic_config(url), "head")
        yield url
