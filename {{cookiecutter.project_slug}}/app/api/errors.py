"""Error responses: exceptions become problem documents (RFC 9457), whatever went wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.api.exceptions import UnsupportedMediaTypeError
from app.api.openapi import PROBLEM_MEDIA_TYPE, phrase
from app.core.app_error import AppError, snake_case
from app.schemas.problem import InvalidParam, ProblemDetails

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
JSON_TYPE = "application/json"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
MISSING = object()
PYTHON_PREFIX = re.compile(r"^(Value error|Assertion failed), ")  # of Pydantic's messages


def problem_response(
    status_code: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[InvalidParam] | None = None,
) -> JSONResponse:
    """Return a problem document."""
    problem = ProblemDetails(
        title=phrase(status_code), status=status_code, code=code, detail=detail, errors=errors
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status_code, headers, media_type=PROBLEM_MEDIA_TYPE)


def app_error_response(error: AppError) -> JSONResponse:
    """Return the problem document of a domain error."""
    return problem_response(error.status, error.code, error.detail, error.headers)


async def on_app_error(_request: Request, error: AppError) -> JSONResponse:
    """Return the domain error that a service raised."""
    return app_error_response(error)


async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """Return an error of the framework: no such route, no such method, no token."""
    if isinstance(error.__cause__, AppError):  # FastAPI wraps what is raised while it reads a body
        return app_error_response(error.__cause__)
    headers = error.headers
    if error.status_code == status.HTTP_405_METHOD_NOT_ALLOWED:
        # Starlette names the methods of one route only, and of a static file none.
        headers = {"Allow": ", ".join(_allowed_methods(request)) or "GET, HEAD"}
    code = snake_case(phrase(error.status_code))
    return problem_response(error.status_code, code, error.detail, headers)


async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """Return the rejected fields without their values, which may be passwords."""
    if media_type_error := _media_type_error(request):
        return app_error_response(media_type_error)
    code = snake_case(type(error).__name__)
    errors = _invalid_params(error)
    detail = "The request is not valid."
    return problem_response(status.HTTP_422_UNPROCESSABLE_CONTENT, code, detail, errors=errors)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods that the path of the request has (RFC 9110 §10.2.1)."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [m for m in METHODS if any(r.matches(scopes[m])[0] is Match.FULL for r in routes)]


def _media_type_error(request: Request) -> UnsupportedMediaTypeError | None:
    """Return the error if the route does not read bodies of the Content-Type that was sent."""
    field = getattr(request.scope.get("route"), "body_field", None)
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if field is None or not sent:
        return None
    if not isinstance(field.field_info, Form):
        return None if sent.endswith("json") else UnsupportedMediaTypeError("JSON", JSON_TYPE)
    if sent in FORM_TYPES:
        return None
    return UnsupportedMediaTypeError("a form", field.field_info.media_type)


def _invalid_params(error: RequestValidationError) -> list[InvalidParam]:
    """Return one error for each rejected field, named as the client knows it."""
    params: dict[tuple[str | int, ...], InvalidParam] = {}
    for details in error.errors():
        loc = tuple(_field_path(details["loc"], details["type"], error.body))
        msg = PYTHON_PREFIX.sub("", details["msg"])
        params.setdefault(loc, InvalidParam(loc=list(loc), msg=msg, type=details["type"]))
    return list(params.values())


def _field_path(loc: Sequence[str | int], kind: str, body: object) -> Iterator[str | int]:
    """Yield the path without the names that Pydantic adds for members of unions and validators."""
    if loc[0] != "body":
        yield from map(_encodable, loc[:2])  # such as "query" and the name
        return
    yield loc[0]
    value = body
    for position, part in enumerate(loc[1:], start=2):
        is_missing = kind == "missing" and position == len(loc)
        found = _get(value, part)
        if isinstance(part, int) or is_missing or found is not MISSING:
            yield _encodable(part)
            value = found


def _get(value: object, key: str | int) -> object:
    """Return a member of a JSON object or array, or MISSING."""
    if isinstance(value, Mapping):
        return value.get(key, MISSING)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return MISSING


def _encodable(part: str | int) -> str | int:
    """Replace lone surrogates, which a client may send in a name, but no response can hold."""
    return part.encode(errors="replace").decode() if isinstance(part, str) else part


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    AppError: on_app_error,
    HTTPException: on_http_error,
    RequestValidationError: on_validation_error,
}
