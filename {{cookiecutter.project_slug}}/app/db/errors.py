"""Database errors: translates those of drivers and SQLAlchemy into domain errors, 409 or 503."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from app.core.app_error import AppError
from app.core.exceptions import ConcurrentChangeError, DatabaseUnavailableError

logger = logging.getLogger(__name__)

# Keys that already exist, or no longer exist, because another request was first.
CONFLICT_CODES = {
    "23001",  # restrict_violation
    "23503",  # foreign_key_violation
    "23505",  # unique_violation
    "SQLITE_CONSTRAINT_FOREIGNKEY",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    "SQLITE_CONSTRAINT_TRIGGER",  # ON DELETE RESTRICT
    "SQLITE_CONSTRAINT_UNIQUE",
}
# SQLSTATEs: connection lost, login rejected, no such database, deadlock, no resources, shutting
# down or starting; and tables or columns that a migration has not created yet.
TRANSIENT_SQLSTATES = ("08", "28", "3D", "40", "42P01", "42703", "53", "57P")
# asyncpg raises TimeoutError and ConnectionError, which SQLAlchemy does not wrap.
UNAVAILABLE_ERRORS = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    TimeoutError,
    ConnectionError,
)
READ_ONLY_CODES = {"SQLITE_READONLY"}  # a bug, though an OperationalError: a GET that writes


@contextmanager
def translate_database_errors() -> Generator[None]:
    """Raise the domain error for a database error.

    Raises:
        ConcurrentChangeError: if another request was first: a conflict (409).
        DatabaseUnavailableError: if the database is unreachable, locked or overloaded (503).
    """
    try:
        yield
    except Exception as error:
        if domain_error := _to_domain_error(error):
            raise domain_error from error
        raise


def is_unique_violation(error: IntegrityError, table: str, column: str) -> bool:
    """Return whether the unique constraint of the column was violated."""
    message = str(error.orig)  # PostgreSQL names the constraint, SQLite the column
    return (
        f"uq_{table}_{column}" in message
        or f"UNIQUE constraint failed: {table}.{column}" in message
    )


def _to_domain_error(error: Exception) -> AppError | None:
    if _is_conflict(error):
        logger.warning("Concurrent requests changed the same rows.", exc_info=error)
        return ConcurrentChangeError()
    if _is_unavailable(error):
        cause = getattr(error, "orig", None) or error
        logger.error("The database is unavailable: %s.", type(cause).__name__)
        return DatabaseUnavailableError()
    return None


def _is_conflict(error: Exception) -> bool:
    if isinstance(error, IntegrityError):
        return _code(error) in CONFLICT_CODES
    return isinstance(error, StaleDataError)


def _is_unavailable(error: Exception) -> bool:
    if isinstance(error, DBAPIError) and _code(error) in READ_ONLY_CODES:
        return False
    if isinstance(error, UNAVAILABLE_ERRORS):
        return True
    return isinstance(error, DBAPIError) and _code(error).startswith(TRANSIENT_SQLSTATES)


def _code(error: DBAPIError) -> str:
    """Return the SQLSTATE of PostgreSQL or the name of SQLite's error."""
    names = ("sqlstate", "sqlite_errorname")
    return next((code for name in names if (code := getattr(error.orig, name, None))), "")
