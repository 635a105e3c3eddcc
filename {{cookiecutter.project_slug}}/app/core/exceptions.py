"""Domain errors, which services raise and `app.api.errors` returns as problem documents.

    AppError
    ├── AuthenticationError            401
    │   ├── NotAuthenticatedError
    │   ├── InvalidCredentialsError
    │   ├── InvalidTokenError
    │   └── InvalidRefreshTokenError
    ├── PermissionDeniedError          403
    │   ├── InactiveUserError
    │   ├── EmailNotVerifiedError
    │   ├── SuperuserRequiredError
    │   ├── CurrentPasswordError
    │   └── RegistrationClosedError
    ├── NotFoundError                  404
    │   ├── UserNotFoundError
    │   └── SessionNotFoundError
    ├── ConflictError                  409
    │   ├── EmailTakenError
    │   ├── LastSuperuserError
    │   ├── StillReferencedError
    │   └── ConcurrentChangeError
    ├── GuessablePasswordError         422
    ├── InvalidEmailTokenError         422
    ├── InvalidCursorError             422
    ├── RateLimitedError               429
    └── UnavailableError               503
        ├── OverloadedError
        ├── DatabaseUnavailableError
        └── ShuttingDownError

A class has its status, message and code; errors of the HTTP layer are in `app.api.exceptions`.
"""

from http import HTTPStatus
from types import MappingProxyType

from app.core.app_error import AppError


class AuthenticationError(AppError):
    """The client is not authenticated."""

    status = HTTPStatus.UNAUTHORIZED
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class NotAuthenticatedError(AuthenticationError):
    """The request has no access token."""

    detail = "Not authenticated."


class InvalidCredentialsError(AuthenticationError):
    """The email or the password is wrong; the response does not say which."""

    detail = "Incorrect email or password."


class InvalidTokenError(AuthenticationError):
    """The access token is forged, expired, revoked or of another kind."""

    detail = "Could not validate credentials."
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer error="invalid_token"'})


class InvalidRefreshTokenError(AuthenticationError):
    """The refresh token is unknown, expired or already used."""

    detail = "The refresh token is not valid. Log in again."


class PermissionDeniedError(AppError):
    """The client is authenticated, but not allowed to do this."""

    status = HTTPStatus.FORBIDDEN


class InactiveUserError(PermissionDeniedError):
    """The account is deactivated; reported only if the password is correct."""

    detail = "Inactive user."


class EmailNotVerifiedError(PermissionDeniedError):
    """`REQUIRE_VERIFIED_EMAIL` is set, and the email is not verified; the password is right."""

    detail = "The email is not verified. Follow the link in the email, or reset the password."


class SuperuserRequiredError(PermissionDeniedError):
    """The operation requires a superuser."""

    detail = "Insufficient permissions."


class CurrentPasswordError(PermissionDeniedError):
    """What a stolen session must not do requires the password of the caller."""

    detail = "The field current_password must contain your current password."


class RegistrationClosedError(PermissionDeniedError):
    """`REGISTRATION_OPEN` is false."""

    detail = "Registration is closed."


class NotFoundError(AppError):
    """The resource does not exist, or is not visible to the user."""

    status = HTTPStatus.NOT_FOUND


class UserNotFoundError(NotFoundError):
    """No visible user has this id or email."""

    detail = "User not found."


class SessionNotFoundError(NotFoundError):
    """The user has no session with this id."""

    detail = "Session not found."


class ConflictError(AppError):
    """The request conflicts with what is stored."""

    status = HTTPStatus.CONFLICT


class EmailTakenError(ConflictError):
    """Another user is registered with this email."""

    detail = "A user with this email already exists."


class LastSuperuserError(ConflictError):
    """At least one active superuser must remain."""

    detail = "The last active superuser cannot be removed."


class UnverifiedUserError(ConflictError):
    """Somebody else may own the email: such an account gets no privileges."""

    detail = "The email of the user must be verified first."


class StillReferencedError(ConflictError):
    """Other rows refer to what would be deleted, by a foreign key with `ON DELETE RESTRICT`."""

    detail = "Other objects refer to this one: delete or change them first."


class ConcurrentChangeError(ConflictError):
    """Another request created, changed or deleted the same rows first."""

    detail = "The resource was changed by another request. Retry."


class GuessablePasswordError(AppError):
    """The password contains the name or email of its owner, or the name of the service."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "The password must not contain your name, your email or the name of the service."


class InvalidEmailTokenError(AppError):
    """The verification or reset token is unknown, expired, already used or of another purpose."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "The token is not valid: it has expired, or was used already."


class InvalidCursorError(AppError):
    """The cursor was made for another list or order, or by another service."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "The parameter after is not valid here. Start again without it, and follow the links."


class RateLimitedError(AppError):
    """A rate limit is exceeded; `Retry-After` has the seconds until the next attempt."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    detail = "Too many requests. Retry after the time in the Retry-After header."

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.headers = {"Retry-After": str(retry_after)}


class UnavailableError(AppError):
    """The service cannot respond now; the same request may succeed later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers = MappingProxyType({"Retry-After": "1"})


class OverloadedError(UnavailableError):
    """Too many passwords are waiting to be hashed or verified."""

    detail = "The service is overloaded. Retry later."


class DatabaseUnavailableError(UnavailableError):
    """The database is unreachable, locked or overloaded, or its migrations are not at head."""

    detail = "The database is unavailable or not migrated."


class ShuttingDownError(UnavailableError):
    """The service was asked to stop."""

    detail = "The service is shutting down. Retry later."
