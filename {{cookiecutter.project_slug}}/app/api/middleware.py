"""Middlewares, as plain ASGI classes. `app.main.middlewares` lists them in reading order."""

import logging
import re
import secrets
import time
from collections.abc import Sequence
from http import HTTPStatus
from types import MappingProxyType

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY, RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.exceptions import (
    ContentTooLargeError,
    InternalError,
    InvalidContentLengthError,
    InvalidHostError,
)
from app.api.problem import app_error_response
from app.config import settings
from app.core.app_error import AppError
from app.core.logging import request_id
from app.core.security_log import start_security_context

# Defaults of the OWASP Secure Headers Project; a response that sets a header keeps its own.
SECURITY_HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
# The second one is that of a WebSocket that is rejected.
RESPONSE_STARTS = {"http.response.start", "websocket.http.response.start"}
MAX_CONTENT_LENGTH_DIGITS = 18
PORT = re.compile(r":[0-9]+$")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
logger = logging.getLogger("app.requests")


class RequestContextMiddleware:
    """Request id (`X-Request-ID`) and access log: one line for each request or WebSocket."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        start_security_context()
        request_id.set(_request_id(Headers(scope=scope).get("X-Request-ID", "")))
        start = time.perf_counter()
        status = 500 if scope["type"] == "http" else 403  # of a handshake without a response

        async def send_with_request_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"] in RESPONSE_STARTS:
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id.get()
                if status >= HTTPStatus.BAD_REQUEST and scope.get("query_string"):
                    # A rejected query may hold anything, a password too.
                    trace.get_current_span().set_attribute("url.query", "REDACTED")
            await send(message)

        try:
            await self.app(scope, receive, send_with_request_id)
        finally:
            _log_request(scope, status, time.perf_counter() - start)


class SecurityHeadersMiddleware:
    """Adds the security headers to every response.

    HSTS (RFC 6797) must be off in development: browsers would remember it for all of localhost.
    """

    def __init__(self, app: ASGIApp, hsts_seconds: int) -> None:
        self.app = app
        hsts = f"max-age={hsts_seconds}; includeSubDomains"
        added = {"Strict-Transport-Security": hsts} if hsts_seconds else {}
        self.headers = Headers({**SECURITY_HEADERS, **added}).raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in RESPONSE_STARTS:
                sent = {name for name, _ in message["headers"]}
                message["headers"] += [header for header in self.headers if header[0] not in sent]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class HeadMiddleware:
    """Answers HEAD like GET without a body, as monitors expect (RFC 9110 §9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            scope["method"] = "HEAD"  # which the server must know when it sends
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope["method"] = "GET"
        try:
            await self.app(scope, receive, send_without_body)
        finally:
            scope["method"] = "HEAD"


class UnhandledErrorMiddleware:
    """Responds to unhandled errors with a 500, which has CORS and security headers.

    The exception is raised again, as by Starlette: the server logs it, and test clients see it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        is_started = False

        async def send_and_watch(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_watch)
        except Exception:
            if scope["type"] == "http" and not is_started:
                await app_error_response(InternalError())(scope, receive, send)
            raise


class HostMiddleware:
    """Allowed hosts, and the syntax of Content-Length."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self.app = app
        self.allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        error = None if scope["type"] == "lifespan" else self._find_error(scope)
        respond = app_error_response(error) if error else self.app
        await respond(scope, receive, send)

    def _find_error(self, scope: Scope) -> AppError | None:
        headers = Headers(scope=scope)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        hosts = headers.getlist("Host")
        # A proxy may have checked another one of two (RFC 9112 §3.2).
        if len(hosts) > 1 or not self._is_allowed_host(path, "".join(hosts)):
            return InvalidHostError()
        length = headers.get("Content-Length", "0")
        if len(length) > MAX_CONTENT_LENGTH_DIGITS or not length.isdecimal():
            return InvalidContentLengthError()
        return None

    def _is_allowed_host(self, path: str, host: str) -> bool:
        if not self.allowed_hosts or path.startswith("/health/"):
            return True  # health checks of containers and pods use an IP address as host
        name = PORT.sub("", host.lower()).removesuffix(".")  # of an absolute domain name
        return any(_matches(name, pattern.lower()) for pattern in self.allowed_hosts)


class BodyLimitMiddleware:
    """Body size limit: Starlette's, for routes without `max_body_size`, as a problem document."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = RequestBodyLimitMiddleware(app, max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        is_replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal is_replaced
            if _is_plain_413(message):
                is_replaced = True
                error = ContentTooLargeError(scope[MAX_BODY_SIZE_SCOPE_KEY])
                await app_error_response(error)(scope, receive, send)
            elif not is_replaced:
                await send(message)

        await self.app(scope, receive, send_problem)


def _is_plain_413(message: Message) -> bool:
    return (
        message["type"] == "http.response.start"
        and message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        and Headers(raw=message["headers"]).get("Content-Type", "").startswith("text/plain")
    )


def _request_id(sent: str) -> str:
    """Return the caller's request id if it is safe in a log, or a new one."""
    return sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)


def _matches(host: str, pattern: str) -> bool:
    """Return whether the host is the pattern or, for `*.example.com`, a subdomain."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else pattern in {host, "*"}


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    """Log a request by the template of its route: ids and secrets in paths stay out of the log.

    In development, an unknown path is logged as it is.
    """
    fields = {
        "method": scope.get("method", "WEBSOCKET"),
        "route": _route_template(scope) or (scope["path"] if settings.DEBUG else "-"),
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
        "user_id": scope.get("state", {}).get("user_id"),
    }
    logger.info("%(method)s %(route)s %(status)s in %(duration_ms)s ms", fields, extra=fields)


def _route_template(scope: Scope) -> str:
    """Return the path of the route with its prefix, such as `/api/v1/users/{user_id}`, or ""."""
    # A route of a router that is included does not know its prefix.
    included = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(included or scope.get("route"), "path", "")
    root = scope.get("root_path", "")
    mount = root.removeprefix(scope.get("app_root_path", root))
    return f"{mount}{path}" if path else ""
