"""Work that no request waits for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)
_under_way: set[asyncio.Task[None]] = set()


async def start(job: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Begin a job, and let it go on by itself. What it raises is logged."""

    async def logged() -> None:
        try:
            await job(*arguments)
        except Exception:
            logger.exception("A job in the background failed.")

    task = asyncio.create_task(logged())
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def drain(patience: float | None = None) -> None:
    """Wait for the jobs under way, for at most so many seconds."""
    if _under_way:
        _, unfinished = await asyncio.wait(_under_way, timeout=patience)
        if unfinished:
            logger.error("Jobs that were given up: %d.", len(unfinished))
