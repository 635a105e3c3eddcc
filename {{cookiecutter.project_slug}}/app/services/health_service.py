"""Readiness check: whether the service can handle requests."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from app.core.exceptions import DatabaseUnavailableError, ShuttingDownError
from app.core.shutdown import is_shutting_down
from app.db.errors import first_line
from app.db.migrations import is_migrated
from app.db.session import read_session_factory

READINESS_TIMEOUT = 1.0  # seconds
logger = logging.getLogger(__name__)
_logged = ""  # the reason that was logged last: probes come every few seconds


async def check_readiness() -> None:
    """Readiness check: the database responds within `READINESS_TIMEOUT` and is migrated.

    Raises:
        ShuttingDownError: if the service was asked to stop.
        DatabaseUnavailableError: if the database is unreachable, too slow or not migrated.
    """
    if is_shutting_down():
        raise ShuttingDownError
    # A task, because closing the connection to a frozen database would take long as well.
    check = asyncio.create_task(_find_problem())
    done, _ = await asyncio.wait([check], timeout=READINESS_TIMEOUT)
    check.cancel()
    reason = check.result() if done else f"It did not respond within {READINESS_TIMEOUT} s."
    _log_once(reason)
    if reason:
        raise DatabaseUnavailableError


async def _find_problem() -> str:
    """Return why the database is not ready, or an empty text."""
    try:
        async with read_session_factory() as db:
            return "" if await is_migrated(db) else "It is not migrated. Run: make migrate"
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        return first_line(error)


def _log_once(reason: str) -> None:
    """Log a reason when it changes."""
    global _logged  # noqa: PLW0603 - of the process
    if reason and reason != _logged:
        logger.error("The database is not ready: %s", reason)
    _logged = reason
