"""The rules about being ready for requests."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from app.core.exceptions import NotReadyError, StoppingError
from app.core.lifecycle import is_stopping
from app.db.migrations import is_migrated
from app.db.session import READ_ONLY, async_session_factory

PATIENCE = 1.0  # seconds


async def check_readiness() -> None:
    """Return if the database answers in time and has the tables of this code, and nobody stops us.

    Raises:
        StoppingError, NotReadyError: if not.
    """
    if is_stopping():
        raise StoppingError
    # A task, because a connection to a database that hangs takes its time to be given up, too.
    check = asyncio.create_task(_is_ready())
    done, _ = await asyncio.wait([check], timeout=PATIENCE)
    check.cancel()
    if not done or not check.result():
        raise NotReadyError


async def _is_ready() -> bool:
    try:
        async with async_session_factory() as db:
            await db.connection(execution_options=READ_ONLY)  # no writer makes it wait
            return await is_migrated(db)
    except (SQLAlchemyError, OSError):  # TimeoutError is an OSError
        return False
