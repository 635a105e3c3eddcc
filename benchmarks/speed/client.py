"""HTTP client that keeps a number of connections busy, and checks each response.

It runs with the packages of the baked project, whose event loop is fast: so that the server is the
bottleneck. The argument is a `Load` as JSON; standard output gets a `Result`.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast

import uvloop

VALUES = re.compile(rb':("[^"]*"|\d+|null)')
REFRESH_TOKEN = re.compile(rb'"refresh_token":"([^"]+)"')
HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = b"content-length: "


@dataclass
class Load:
    """What to send: request `n` of the list on connection `n`, again and again."""

    port: int
    requests: list[str]
    seconds: float
    status: int
    body: str | None = None  # of every response; None: whatever the first one has
    is_fixed: bool = True  # otherwise only the names of its fields are compared
    is_chained: bool = False  # the refresh token of a response is sent in the next request


@dataclass
class Result:
    """When responses came (`time.monotonic()`), and their latencies in seconds.

    Latencies count once every connection has had a response: a busy server accepts new ones slowly.
    """

    ends: list[float] = field(default_factory=list)
    waiting: int = 0  # connections without a response
    end: float = 0  # of the load, once no connection is waiting
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0
    body: str = ""
    error: str = ""


def names_only(body: bytes) -> bytes:
    """Return JSON without its values, which differ from response to response."""
    return VALUES.sub(b":", body)


class Connection(asyncio.Protocol):
    """One connection, which always waits for one response."""

    def __init__(self, load: Load, request: str, result: Result) -> None:
        self.load = load
        self.request = request.encode()
        self.result = result
        self.buffer = b""
        self.is_first = True
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Check a response once it is complete, and send the next request."""
        self.buffer += data
        head, separator, body = self.buffer.partition(HEAD_END)
        if not separator or len(body) < self._length(head):
            return
        self.buffer = b""
        if not self._check(head, body) or self._count():
            self.transport.close()
            return
        if self.load.is_chained:
            token = REFRESH_TOKEN.search(body)
            assert token
            self._chain(token[1])
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Finish."""
        if error or self.buffer:
            self.result.error = f"The connection was lost: {error}"
        self.done.set_result(None)

    def _send(self) -> None:
        self.start = time.monotonic()
        self.transport.write(self.request)

    @staticmethod
    def _length(head: bytes) -> int:
        _, _, rest = head.lower().partition(CONTENT_LENGTH)
        return int(rest.partition(b"\r\n")[0])

    def _count(self) -> bool:
        """Count a response; return whether the load is over."""
        now, result = time.monotonic(), self.result
        result.ends.append(now)
        if self.is_first:
            self.is_first = False
            result.waiting -= 1
            result.end = now + self.load.seconds
        elif not result.waiting:
            result.latencies.append(now - self.start)
        return not result.waiting and now > result.end

    def _check(self, head: bytes, body: bytes) -> bool:
        comparable = body if self.load.is_fixed else names_only(body)
        expected = self.load.body.encode() if self.load.body else comparable
        self.result.body = comparable.decode()
        if int(head[9:12]) != self.load.status or comparable != expected:
            self.result.error = f"{head[:15]!r} {body!r}, expected {expected!r}"
        return not self.result.error

    def _chain(self, token: bytes) -> None:
        head, _, _ = self.request.partition(HEAD_END)
        self.request = head + HEAD_END + b"grant_type=refresh_token&refresh_token=" + token


async def drive(load: Load) -> Result:
    """Keep one connection for each request busy, until the time is over."""
    result, loop, start = Result(), asyncio.get_running_loop(), time.monotonic()
    result.waiting = len(load.requests)
    connections = []
    for request in load.requests:
        _, connection = await loop.create_connection(
            partial(Connection, load, request, result),
            "127.0.0.1",
            load.port,
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    result.seconds = time.monotonic() - start
    return result


if __name__ == "__main__":
    found = uvloop.run(drive(Load(**json.loads(sys.argv[1]))))
    json.dump(asdict(found), sys.stdout)
