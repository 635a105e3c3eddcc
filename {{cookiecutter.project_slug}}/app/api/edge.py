"""The outermost layers: what every request and every response passes."""

import logging
import re
import time
import uuid
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import respond
from app.config import Settings
from app.core.logging import request_id

# OWASP Secure Headers. An answer that needs something else says so itself.
HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
LONGEST_NUMBER = 18  # digits
PORT = re.compile(r":[0-9]+$")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
logger = logging.getLogger("app.requests")


class Edge:
    """Names and logs requests. Plain ASGI: it costs a twentieth of a middleware class."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id.set(_name(Headers(scope=scope).get("X-Request-ID", "")))
        answer = Answer(send)
        start = time.perf_counter()
        try:
            await self.app(scope, receive, answer.send)
        except Exception:
            if not answer.complete:
                raise  # the server closes the connection, and logs why
            logger.exception("A request failed.")
        finally:
            _log(scope, answer.status, time.perf_counter() - start)


class Guard:
    """Refuses requests that nobody needs to read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = settings.ALLOWED_HOSTS
        self.longest_body = settings.MAX_BODY_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        refusal = self._refuse(scope) if scope["type"] != "lifespan" else None
        await (refusal or self.app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        # Who asks for health, asks an address: a container's or a pod's.
        if not scope["path"].startswith("/health/") and not self._serves(headers.get("Host", "")):
            return respond(400, "This host is not served here.")
        length = headers.get("Content-Length", "0")
        if len(length) > LONGEST_NUMBER or not length.isdecimal():
            return respond(400, "Content-Length is not a number.")
        if int(length) > self.longest_body:
            return respond(413, f"The body must not have more than {self.longest_body} bytes.")
        return None

    def _serves(self, host: str) -> bool:
        name = PORT.sub("", host.lower())
        return not self.hosts or any(_matches(name, pattern.lower()) for pattern in self.hosts)


class Answer:
    """An answer on its way out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.complete = False

    async def send(self, message: Message) -> None:
        """Send a part of it, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = request_id.get()
        await self._send(message)
        body = message["type"] == "http.response.body"
        self.complete = body and not message.get("more_body", False)


def _name(given: str) -> str:
    """Return the id that a caller gave to the request, if it can stand in a log, or a new one."""
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _matches(host: str, pattern: str) -> bool:
    """Tell whether a host is the one of the pattern or, of `*.example.com`, one below it."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else pattern in {host, "*"}


def _log(scope: Scope, status: int, seconds: float) -> None:
    """Log a request by the template of its path: an id, or a secret, stays out of the logs."""
    about = {
        "method": scope["method"],
        "route": _template(scope),
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
        "user_id": scope.get("state", {}).get("user_id"),
    }
    logger.info("%(method)s %(route)s %(status)s in %(duration_ms)s ms", about, extra=about)


def _template(scope: Scope) -> str:
    """Return the path of a route, with the prefix that it is served under."""
    route: str = getattr(scope.get("route"), "path", "")
    prefix = scope["path"].split("/")[: -route.count("/")]
    return "/".join(prefix) + route if route else "-"
