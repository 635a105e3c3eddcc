"""Exception handlers: turn exceptions into problem documents (problem+json, RFC 9457)."""

from typing import Any

from fastapi import Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.api.exceptions import UnsupportedMediaTypeError
from app.api.invalid_params import invalid_params
from app.api.problem import app_error_response, phrase, problem_response
from app.core.app_error import AppError, snake_case

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
JSON_TYPE = "application/json"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


async def on_app_error(_request: Request, error: AppError) -> JSONResponse:
    """Handle domain errors, which services raise."""
    return app_error_response(error)


async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """Handle HTTP errors of the framework, such as an unknown route or a wrong method."""
    if isinstance(error.__cause__, AppError):  # FastAPI wraps errors while it reads the body
        return app_error_response(error.__cause__)
    headers = error.headers
    if error.status_code == status.HTTP_405_METHOD_NOT_ALLOWED:
        # Starlette lists the methods of one route only, and none for a static file.
        headers = {"Allow": ", ".join(_allowed_methods(request)) or "GET, HEAD"}
    code = snake_case(phrase(error.status_code))
    return problem_response(error.status_code, code, error.detail, headers)


async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """Handle validation errors: list the rejected fields and parameters."""
    if media_type_error := _media_type_error(request):
        return app_error_response(media_type_error)
    code = snake_case(type(error).__name__)
    detail = "The request is not valid: see errors."
    errors = invalid_params(error)
    return problem_response(status.HTTP_422_UNPROCESSABLE_CONTENT, code, detail, errors=errors)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods that the path of the request has (RFC 9110 §10.2.1)."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [m for m in METHODS if any(r.matches(scopes[m])[0] is Match.FULL for r in routes)]


def _media_type_error(request: Request) -> UnsupportedMediaTypeError | None:
    """Return the error if the route does not read bodies with the Content-Type that was sent."""
    field = getattr(request.scope.get("route"), "body_field", None)
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if field is None or not sent:
        return None
    if not isinstance(field.field_info, Form):
        return None if sent.endswith("json") else UnsupportedMediaTypeError("JSON", JSON_TYPE)
    if sent in FORM_TYPES:
        return None
    return UnsupportedMediaTypeError("a form", field.field_info.media_type)


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    AppError: on_app_error,
    HTTPException: on_http_error,
    RequestValidationError: on_validation_error,
}
