"""Readiness check: whether the service can handle requests."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from app.core.exceptions import DatabaseUnavailableError, ShuttingDownError
from app.core.shutdown import is_shutting_down
from app.db.migrations import is_migrated
from app.db.session import read_session_factory

READINESS_TIMEOUT = 1.0  # seconds


async def check_readiness() -> None:
    """Readiness check: the database responds within `READINESS_TIMEOUT` and is migrated.

    Raises:
        ShuttingDownError: if the service was asked to stop.
        DatabaseUnavailableError: if the database is unreachable, too slow or not migrated.
    """
    if is_shutting_down():
        raise ShuttingDownError
    # A task, because closing the connection to a frozen database would take long as well.
    check = asyncio.create_task(_is_database_ready())
    done, _ = await asyncio.wait([check], timeout=READINESS_TIMEOUT)
    check.cancel()
    if not done or not check.result():
        raise DatabaseUnavailableError


async def _is_database_ready() -> bool:
    try:
        async with read_session_factory() as db:
            return await is_migrated(db)
    except (SQLAlchemyError, OSError):  # TimeoutError is an OSError
        return False
