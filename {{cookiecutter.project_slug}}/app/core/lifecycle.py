"""What happens when the service is asked to stop."""

import asyncio
import signal
from types import FrameType

from app.config import settings

_stopping = False


def is_stopping() -> bool:
    """Tell whether the service has been asked to stop."""
    return _stopping


def watch_for_stop() -> None:
    """Note the signal to stop, and pass it on to the server after the delay of the settings.

    Meanwhile readiness is 503, so that a load balancer sends requests elsewhere. The server would
    repeat SIGTERM once it has stopped well, which ends the process with an error; SIGINT asks for
    the same and ends it with 0.
    """
    loop = asyncio.get_running_loop()
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop):
        return  # nobody serves: the app was started by hand

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        global _stopping  # noqa: PLW0603 - one process, one life
        if _stopping:
            return  # a second SIGINT would break off what is under way
        _stopping = True
        later = (settings.STOP_DELAY_SECONDS, stop, signal.SIGINT, None)
        loop.call_soon_threadsafe(loop.call_later, *later)

    signal.signal(signal.SIGTERM, on_signal)
