"""Errors of the HTTP layer itself, in addition to the domain errors of `app.core.exceptions`."""

from http import HTTPStatus

from app.core.app_error import AppError


class InvalidHostError(AppError):
    """The Host header is none of `ALLOWED_HOSTS`."""

    status = HTTPStatus.BAD_REQUEST
    detail = "Invalid Host header."


class InvalidContentLengthError(AppError):
    """The Content-Length header is not a number."""

    status = HTTPStatus.BAD_REQUEST
    detail = "The Content-Length header must be a number."


class ContentTooLargeError(AppError):
    """The body is longer than the route's `max_body_size`, or `MAX_BODY_BYTES`."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    detail = "The request body is too large."

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self.detail = f"The request body must not be larger than {max_bytes} bytes."


class UnsupportedMediaTypeError(AppError):
    """The body has another Content-Type than the operation accepts."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    detail = "The request body must have another Content-Type."

    def __init__(self, kind: str, media_type: str) -> None:
        super().__init__(kind, media_type)
        self.detail = f"The request body must be {kind}, with the Content-Type {media_type}."


class DuplicateFieldError(AppError):
    """A JSON object of the body has the same field twice."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "Duplicate field."

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.detail = f"Duplicate field: {name}."


class TooManyValuesError(AppError):
    """The JSON body has more values than a request can need: see `app.api.json_body`."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "The request body must not have more than 10000 values, or 1000 names in an object."


class InternalError(AppError):
    """A bug of the service. The log has the traceback."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "Internal server error."
