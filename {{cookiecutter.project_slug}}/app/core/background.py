"""Background tasks: work that no request waits for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from random import SystemRandom

Job = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()


async def spawn(jobs: Iterable[Job]) -> None:
    """Start each job as a task of its own and return at once. Exceptions are logged."""
    for job in jobs:
        task = asyncio.create_task(_run(job))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


async def repeat(job: Job, interval: float) -> None:
    """Run a job every `interval` seconds, the first time after a part of it.

    The part is random, so that instances that start together do not work at the same time.
    """
    await asyncio.sleep(SystemRandom().uniform(0, interval))
    while True:
        await _run(job)
        await asyncio.sleep(interval)


async def wait_for_all(timeout: float | None = None) -> None:  # noqa: ASYNC109 - it reports what is left
    """Wait for the running tasks, for at most `timeout` seconds."""
    if _tasks:
        _, unfinished = await asyncio.wait(_tasks, timeout=timeout)
        if unfinished:
            logger.error("Background tasks abandoned at shutdown: %d.", len(unfinished))


async def _run(job: Job) -> None:
    try:
        await job()
    except Exception:
        logger.exception("A background task failed.")
