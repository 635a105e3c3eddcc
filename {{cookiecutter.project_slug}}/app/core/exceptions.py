"""Everything that can go wrong, in the words of the service.

    AppError
    ├── AuthenticationError            401
    │   ├── InvalidCredentialsError
    │   ├── InvalidTokenError
    │   └── InvalidRefreshTokenError
    ├── PermissionDeniedError          403
    │   ├── InactiveUserError
    │   ├── SuperuserRequiredError
    │   ├── CurrentPasswordError
    │   └── RegistrationClosedError
    ├── NotFoundError                  404
    │   ├── UserNotFoundError
    │   ├── ItemNotFoundError
    │   └── SessionNotFoundError
    ├── ConflictError                  409
    │   ├── EmailTakenError
    │   ├── LastSuperuserError
    │   └── RaceError
    ├── UnacceptableError              422
    │   ├── GuessablePasswordError
    │   └── InvalidMailTokenError
    ├── TooManyTriesError              429
    └── UnavailableError               503
        ├── BusyError
        ├── NotReadyError
        └── StoppingError

Services raise them, bare; `app.api.errors` turns them into responses.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar


class AppError(Exception):
    """A failure that the client is meant to read about."""

    status: ClassVar[HTTPStatus]
    detail: ClassVar[str]
    headers: Mapping[str, str] = MappingProxyType({})


class AuthenticationError(AppError):
    """We do not know who is asking."""

    status = HTTPStatus.UNAUTHORIZED
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class InvalidCredentialsError(AuthenticationError):
    """The email or the password is wrong; which of the two is not told."""

    detail = "Incorrect email or password."


class InvalidTokenError(AuthenticationError):
    """The access token is missing, forged, expired or meant for something else."""

    detail = "Could not validate credentials."
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer error="invalid_token"'})


class InvalidRefreshTokenError(AuthenticationError):
    """The refresh token is unknown, expired, or was used before."""

    detail = "The refresh token is not valid. Log in again."


class PermissionDeniedError(AppError):
    """We know who is asking, and the answer is no."""

    status = HTTPStatus.FORBIDDEN


class InactiveUserError(PermissionDeniedError):
    """The account was deactivated; told only to someone who knows its password."""

    detail = "Inactive user."


class SuperuserRequiredError(PermissionDeniedError):
    """The operation is for superusers."""

    detail = "Insufficient permissions."


class CurrentPasswordError(PermissionDeniedError):
    """Who wants to change how to log in has to know the password."""

    detail = "The field current_password is missing or wrong."


class RegistrationClosedError(PermissionDeniedError):
    """The settings let nobody register."""

    detail = "Registration is closed."


class NotFoundError(AppError):
    """There is no such thing, or it belongs to somebody else."""

    status = HTTPStatus.NOT_FOUND


class UserNotFoundError(NotFoundError):
    """No user has this id."""

    detail = "User not found."


class ItemNotFoundError(NotFoundError):
    """No item that the user may see has this id."""

    detail = "Item not found."


class SessionNotFoundError(NotFoundError):
    """The user has no session with this id."""

    detail = "Session not found."


class ConflictError(AppError):
    """The request does not fit what is stored."""

    status = HTTPStatus.CONFLICT


class EmailTakenError(ConflictError):
    """Somebody else has registered the address."""

    detail = "A user with this email already exists."


class LastSuperuserError(ConflictError):
    """Without superusers nobody could make one."""

    detail = "The last superuser has to stay."


class RaceError(ConflictError):
    """Two requests came in each other's way; one of them was first."""

    detail = "Another request has just changed or deleted it."


class UnacceptableError(AppError):
    """The request is well formed, and yet cannot be accepted."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class GuessablePasswordError(UnacceptableError):
    """The password is made of what anybody knows about the user or the service."""

    detail = "The password must not contain your name, your address or the name of the service."


class InvalidMailTokenError(UnacceptableError):
    """The link is unknown, expired, was used before, or is for something else."""

    detail = "The link is not valid any more. Ask for a new one."


class TooManyTriesError(AppError):
    """The limit of tries is reached; the headers tell when the next one is welcome."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    detail = "Too many tries. Wait before the next one."

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.headers = {"Retry-After": str(seconds)}


class UnavailableError(AppError):
    """Not now; the same request may succeed later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers = MappingProxyType({"Retry-After": "1"})


class BusyError(UnavailableError):
    """More passwords wait to be checked than can be checked soon."""

    detail = "The service is busy."


class NotReadyError(UnavailableError):
    """The database is out of reach, or its migrations are not at head."""

    detail = "The database is not ready."


class StoppingError(UnavailableError):
    """The service has been asked to stop."""

    detail = "The service is stopping."
