"""Graceful shutdown: what happens on SIGTERM, on Ctrl-C, and on both in either order.

uvicorn alone skips the shutdown of the lifespan if SIGINT follows SIGTERM, and ends with an error
status after SIGTERM.
"""

import asyncio
import signal
from types import FrameType

from app.config import settings

_received: list[int] = []


def is_shutting_down() -> bool:
    """Return whether the service was asked to stop."""
    return bool(_received)


def handle_stop_signals() -> None:
    """Pass the first signal on to uvicorn as SIGINT, which stops it gracefully with status 0.

    After SIGTERM, readiness is 503 and requests are still served for `STOP_DELAY_SECONDS`, so
    that a load balancer has time to notice. Later signals are ignored, except that a second
    Ctrl-C quits at once.
    """
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop):
        return  # no server runs: a test or a script started the lifespan
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        _received.append(number)
        delay = settings.STOP_DELAY_SECONDS if number == signal.SIGTERM else 0
        if len(_received) == 1 or set(_received) == {signal.SIGINT}:
            loop.call_soon_threadsafe(loop.call_later, delay, stop, signal.SIGINT, None)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
