"""Connection pool that serves waiting requests in their order."""

import asyncio
import logging
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

# SQLAlchemy names the logger of a pool by its class, and reports there when it is closed.
logging.getLogger(f"{__name__}.FairPool").setLevel(logging.WARNING)


class FairPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, whose requests wait in the order in which they came.

    In its own queue a newcomer may take the connection that was returned for a waiting request,
    which then starts again at the end: under load, some wait until they fail.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*arguments, **options)
        self._slots = asyncio.Semaphore(self.size() + self._max_overflow)

    def _do_get(self) -> ConnectionPoolEntry:
        await_only(self._acquire())
        try:
            return super()._do_get()
        except BaseException:
            self._slots.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        self._slots.release()

    async def _acquire(self) -> None:
        try:
            async with asyncio.timeout(self._timeout if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError:
            message = f"No connection was free for {self._timeout} s."
            raise PoolTimeoutError(message) from None
