"""The rules about being ready for requests."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from app.core.exceptions import NotReadyError
from app.core.lifecycle import is_stopping
from app.db.migrations import is_migrated
from app.db.session import async_session_factory

PATIENCE = 2.0  # seconds


async def check_readiness() -> None:
    """Return if the database answers in time and has the tables of this code, and nobody stops us.

    Raises:
        NotReadyError: if not.
    """
    if is_stopping():
        raise NotReadyError
    try:
        async with asyncio.timeout(PATIENCE), async_session_factory() as db:
            ready = await is_migrated(db)
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        raise NotReadyError from error
    if not ready:
        raise NotReadyError
