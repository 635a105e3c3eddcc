"""Everything that can go wrong, in the words of the service.

    AppError
    ├── AuthenticationError            401
    │   ├── InvalidCredentialsError
    │   └── InvalidTokenError
    ├── PermissionDeniedError          403
    │   ├── InactiveUserError
    │   └── SuperuserRequiredError
    ├── NotFoundError                  404
    │   ├── UserNotFoundError
    │   └── ItemNotFoundError
    ├── ConflictError                  409
    │   └── EmailTakenError
    └── UnavailableError               503
        └── NotReadyError

Services raise them, bare; `app.api.errors` turns them into responses.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar


class AppError(Exception):
    """A failure that the client is meant to read about."""

    status: ClassVar[HTTPStatus]
    detail: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}


class AuthenticationError(AppError):
    """We do not know who is asking."""

    status = HTTPStatus.UNAUTHORIZED
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class InvalidCredentialsError(AuthenticationError):
    """The email or the password is wrong; which of the two is not told."""

    detail = "Incorrect email or password."


class InvalidTokenError(AuthenticationError):
    """The access token is missing, forged, expired or meant for something else."""

    detail = "Could not validate credentials."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class PermissionDeniedError(AppError):
    """We know who is asking, and the answer is no."""

    status = HTTPStatus.FORBIDDEN


class InactiveUserError(PermissionDeniedError):
    """The account was deactivated; told only to someone who knows its password."""

    detail = "Inactive user."


class SuperuserRequiredError(PermissionDeniedError):
    """The operation is for superusers."""

    detail = "Insufficient permissions."


class NotFoundError(AppError):
    """There is no such thing, or it belongs to somebody else."""

    status = HTTPStatus.NOT_FOUND


class UserNotFoundError(NotFoundError):
    """No user has this id."""

    detail = "User not found."


class ItemNotFoundError(NotFoundError):
    """No item that the user may see has this id."""

    detail = "Item not found."


class ConflictError(AppError):
    """The request does not fit what is stored."""

    status = HTTPStatus.CONFLICT


class EmailTakenError(ConflictError):
    """Somebody else has registered the address."""

    detail = "A user with this email already exists."


class UnavailableError(AppError):
    """Not now; the same request may succeed later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class NotReadyError(UnavailableError):
    """The database is out of reach, or its migrations are not at head."""

    detail = "The database is not ready."
