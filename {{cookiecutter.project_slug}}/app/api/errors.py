"""Failures become problem documents (RFC 9457): one shape, whatever went wrong."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.core.exceptions import AppError, NotReadyError, RaceError
from app.schemas.problem import FieldProblem, Problem

DATABASE_ERRORS = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    TimeoutError,  # these two as well: asyncpg lets them out
    ConnectionError,
)
logger = logging.getLogger(__name__)

# Classes of PostgreSQL's codes: connection lost, deadlock, no resources, shutting down or starting.
PASSING = ("08", "40", "53", "57P")
# Keys that exist already or do not exist any more, as PostgreSQL and SQLite call them.
RACES = {
    "23001",
    "23503",
    "23505",
    "SQLITE_CONSTRAINT_FOREIGNKEY",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    "SQLITE_CONSTRAINT_TRIGGER",  # a row that others refer to has to stay
    "SQLITE_CONSTRAINT_UNIQUE",
}
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
MEDIA_TYPE = "application/problem+json"


def respond(
    code: int,
    detail: str,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem document."""
    problem = Problem(title=HTTPStatus(code).phrase, status=code, detail=detail, errors=errors)
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, code, headers, media_type=MEDIA_TYPE)


async def on_app_error(_request: Request, error: AppError) -> JSONResponse:
    """Answer with what the service says of itself."""
    return respond(error.status, error.detail, headers=error.headers)


async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """Answer with what the framework says: no such route, no such method, no token."""
    headers = error.headers
    if error.status_code == status.HTTP_405_METHOD_NOT_ALLOWED:
        # It names those of one route only, and a folder of files names none.
        headers = {"Allow": ", ".join(_methods(request)) or "GET, HEAD"}
    return respond(error.status_code, error.detail, headers=headers)


async def on_validation_error(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Name the fields, and leave out what they held: it may be a password."""
    errors = [
        FieldProblem(loc=_encodable(e["loc"]), msg=e["msg"], type=e["type"]) for e in error.errors()
    ]
    return respond(status.HTTP_422_UNPROCESSABLE_CONTENT, "The request is not valid.", errors)


async def on_database_error(_request: Request, error: Exception) -> JSONResponse:
    """Say that the database is away, locked or overloaded; the same request may succeed later."""
    logger.error("The database failed: %s.", type(getattr(error, "orig", error)).__name__)
    return await on_app_error(_request, NotReadyError())


async def on_sql_error(request: Request, error: DBAPIError) -> JSONResponse:
    """Tell what may go well the next time from a bug."""
    if str(getattr(error.orig, "sqlstate", "")).startswith(PASSING):
        return await on_database_error(request, error)
    raise error  # a bug


async def on_integrity_error(request: Request, error: IntegrityError) -> JSONResponse:
    """Tell a row that somebody else has just made, or deleted, from a bug."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    if code not in RACES:
        raise error
    return await on_race(request, error)


async def on_race(_request: Request, error: Exception) -> JSONResponse:
    """Say that another request has just deleted what this one works on."""
    logger.warning("Two requests came in each other's way.", exc_info=error)
    return await on_app_error(_request, RaceError())


async def on_bug(_request: Request, _error: Exception) -> JSONResponse:
    """Say no more than that it was not the client's fault; the log has the traceback."""
    return respond(status.HTTP_500_INTERNAL_SERVER_ERROR, "Something went wrong on our side.")


def _methods(request: Request) -> list[str]:
    """Return the methods that the path of a request has (RFC 9110 §10.2.1)."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [m for m in METHODS if any(r.matches(scopes[m])[0] is Match.FULL for r in routes)]


def _encodable(loc: Sequence[str | int]) -> list[str | int]:
    """Replace lone surrogates: a client may send them in a name, but no answer can hold them."""
    return [p.encode(errors="replace").decode() if isinstance(p, str) else p for p in loc]


HANDLERS: dict[int | type[Exception], Any] = {
    AppError: on_app_error,
    HTTPException: on_http_error,
    RequestValidationError: on_validation_error,
    **dict.fromkeys(DATABASE_ERRORS, on_database_error),
    DBAPIError: on_sql_error,
    IntegrityError: on_integrity_error,
    StaleDataError: on_race,
    Exception: on_bug,
}
