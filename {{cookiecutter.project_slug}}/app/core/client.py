"""The client of a request, as the list of sessions shows it."""

from typing import NamedTuple

MAX_USER_AGENT_LENGTH = 200  # characters


class Client(NamedTuple):
    """Client IP (of IPv6, the /64 network) and User-Agent header."""

    ip: str
    user_agent: str


COMMAND = Client("", "")  # of the command line


def printable(user_agent: str) -> str:
    """Return a User-Agent header as it may be shown: clients write anything."""
    return "".join(filter(str.isprintable, user_agent))[:MAX_USER_AGENT_LENGTH]
