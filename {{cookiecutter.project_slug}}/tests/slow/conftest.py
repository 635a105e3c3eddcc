"""Fixtures of the tests that take a minute or two: `pytest tests/slow`."""

from collections.abc import Generator

import pytest
from alembic import command

from tests.conftest import alembic_config
from tests.database import temporary_database

pytest_plugins = ["schemathesis.pytest.plugin"]  # here only: the quick tests do not wait for it


@pytest.fixture(scope="module")
def database() -> Generator[str]:
    """Yield the URL of a database with tables, for the servers of a module."""
    with temporary_database() as url:
        command.upgrade(alembic_config(url), "head")
        yield url
