"""Exception handlers: turn exceptions into problem documents (problem+json, RFC 9457)."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, WebSocket, status
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.routing import Match
from starlette.websockets import WebSocketState

from app.api.exceptions import ContentTooLargeError, UnsupportedMediaTypeError
from app.api.invalid_params import invalid_params
from app.api.problem import app_error_response, encodable, phrase, problem_response
from app.core.app_error import AppError, snake_case

Handler = Callable[[HTTPConnection, Any], Awaitable[JSONResponse | None]]

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
JSON_TYPE = "application/json"
JSON_TYPES = re.compile(r"application/(.+\+)?json")  # as FastAPI reads them
MAX_CLOSE_REASON_BYTES = 123  # RFC 6455 §5.5
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


async def on_app_error(_request: HTTPConnection, error: AppError) -> JSONResponse:
    """Handle domain errors, which services raise."""
    return app_error_response(error)


async def on_http_error(request: HTTPConnection, error: HTTPException) -> JSONResponse:
    """Handle HTTP errors of the framework, such as an unknown route or a wrong method."""
    if isinstance(error.__cause__, AppError):  # FastAPI wraps errors while it reads the body
        return app_error_response(error.__cause__)
    if error.status_code == status.HTTP_413_CONTENT_TOO_LARGE and error.detail == phrase(413):
        return app_error_response(ContentTooLargeError(request.scope[MAX_BODY_SIZE_SCOPE_KEY]))
    headers = error.headers
    if error.status_code == status.HTTP_405_METHOD_NOT_ALLOWED:
        # Starlette lists the methods of one route only, and none for a static file.
        headers = {"Allow": ", ".join(_allowed_methods(request)) or "GET, HEAD"}
    code = snake_case(phrase(error.status_code))
    detail = error.detail if isinstance(error.detail, str) else str(error.detail)
    return problem_response(error.status_code, code, encodable(detail), headers)


async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """Handle validation errors: list the rejected fields and parameters."""
    if media_type_error := _media_type_error(request):
        return app_error_response(media_type_error)
    code = snake_case(type(error).__name__)
    detail = "The request is not valid: see errors."
    errors = invalid_params(error)
    return problem_response(status.HTTP_422_UNPROCESSABLE_CONTENT, code, detail, errors=errors)


def or_close_websocket(handler: Handler) -> Handler:
    """Return a handler that also works for WebSockets.

    Its response rejects the handshake; after that, only a reason can be sent (RFC 6455 §7.4.1).
    """

    async def handle(connection: HTTPConnection, error: Any) -> JSONResponse | None:  # noqa: ANN401 - of the handler
        if not isinstance(connection, WebSocket) or not _is_open(connection):
            return await handler(connection, error)
        reason = str(error.detail).encode()[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore")
        await connection.close(status.WS_1008_POLICY_VIOLATION, reason)
        return None

    return handle


def _is_open(websocket: WebSocket) -> bool:
    return websocket.application_state is WebSocketState.CONNECTED


def _allowed_methods(request: HTTPConnection) -> list[str]:
    """Return the methods that the path of the request has (RFC 9110 §10.2.1)."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    found = [m for m in METHODS if any(r.matches(scopes[m])[0] is Match.FULL for r in routes)]
    return [*found, "HEAD"] if "GET" in found else found


def _media_type_error(request: Request) -> UnsupportedMediaTypeError | None:
    """Return the error if the route does not read bodies with the Content-Type that was sent."""
    body = getattr(getattr(request.scope.get("route"), "body_field", None), "field_info", None)
    if body is None or not _has_body(request):
        return None
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if isinstance(body, Form):
        is_accepted, kind = sent in FORM_TYPES, "a form"
    elif body.media_type == JSON_TYPE:
        is_accepted, kind = bool(JSON_TYPES.fullmatch(sent)), "JSON"
    else:
        return None  # FastAPI reads the body of such a route as it is
    return None if is_accepted else UnsupportedMediaTypeError(kind, body.media_type)


def _has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    AppError: or_close_websocket(on_app_error),
    HTTPException: or_close_websocket(on_http_error),
    RequestValidationError: on_validation_error,
}
