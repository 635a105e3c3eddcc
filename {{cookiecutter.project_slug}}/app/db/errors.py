"""Database errors: translates those of drivers and SQLAlchemy into domain errors, 409 or 503."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from app.core.app_error import AppError
from app.core.exceptions import (
    ConcurrentChangeError,
    DatabaseUnavailableError,
    StillReferencedError,
)

logger = logging.getLogger(__name__)

# Keys that already exist, or no longer exist, because another request was first.
CONFLICT_CODES = {
    "23503",  # foreign_key_violation
    "23505",  # unique_violation
    "SQLITE_CONSTRAINT_FOREIGNKEY",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    "SQLITE_CONSTRAINT_UNIQUE",
}
# ON DELETE RESTRICT: code and part of the message. PostgreSQL before version 18 has one code for
# both ends of a foreign key, and SQLite one for this and for triggers.
RESTRICTIONS = {
    "23001": "",
    "23503": "update or delete on table",
    "SQLITE_CONSTRAINT_TRIGGER": "FOREIGN KEY constraint failed",
}
# SQLSTATEs: connection lost, login rejected, no such database, deadlock, no resources, shutting
# down or starting.
TRANSIENT_SQLSTATES = ("08", "28", "3D", "40", "53", "57P")
# Tables or columns that a migration has not created yet.
NOT_MIGRATED_SQLSTATES = {"42P01", "42703"}  # undefined_table, undefined_column
NOT_MIGRATED_MESSAGES = ("no such table", "no such column", "has no column named")  # of SQLite
# Prepared statements that are on another connection, or exist twice.
POOLER_SQLSTATES = {"26000", "42P05"}  # invalid_sql_statement_name, duplicate_prepared_statement
# asyncpg raises TimeoutError and ConnectionError, which SQLAlchemy does not wrap.
UNAVAILABLE_ERRORS = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    TimeoutError,
    ConnectionError,
)
# Bugs, though SQLite's are OperationalErrors: a GET that writes, wrong SQL.
BUG_CODES = {"SQLITE_ERROR", "SQLITE_READONLY"}


@contextmanager
def translate_database_errors() -> Generator[None]:
    """Raise the domain error for a database error.

    Raises:
        ConcurrentChangeError: if another request was first: a conflict (409).
        StillReferencedError: if other rows refer to what would be deleted: a conflict (409).
        DatabaseUnavailableError: if the database is unreachable, locked or overloaded (503).
    """
    try:
        yield
    except Exception as error:
        if domain_error := _to_domain_error(error):
            raise domain_error from error
        raise


@contextmanager
def translate_duplicate(error: type[AppError], table: str, *columns: str) -> Generator[None]:
    """Raise the error if another row has the same values in columns with a unique constraint.

    A query before it may race: another request can write between the two.
    """
    try:
        yield
    except IntegrityError as violation:
        message = str(violation.orig)  # PostgreSQL names the constraint, SQLite the columns
        constraint = f'"uq_{table}_{"_".join(columns)}"'
        names = ", ".join(f"{table}.{column}" for column in columns)
        if constraint in message or message.endswith(f"UNIQUE constraint failed: {names}"):
            raise error from violation
        raise


def _to_domain_error(error: Exception) -> AppError | None:
    if _is_restricted(error):
        logger.info("Other rows refer to what would be deleted: %s", first_line(error))
        return StillReferencedError()
    if _is_conflict(error):
        logger.warning("Concurrent requests changed the same rows: %s", first_line(error))
        return ConcurrentChangeError()
    if _is_not_migrated(error):
        logger.error("The database is not migrated: %s. Run: make migrate", first_line(error))
        return DatabaseUnavailableError()
    if isinstance(error, DBAPIError) and _code(error) in POOLER_SQLSTATES:
        logger.error("A pooler in transaction mode requires DATABASE_POOLER=true.")
        return DatabaseUnavailableError()
    if _is_unavailable(error):
        logger.error("The database is unavailable: %s", first_line(error))
        return DatabaseUnavailableError()
    return None


def first_line(error: Exception) -> str:
    """Return the class and the message of the driver, without details, which may have values."""
    cause = getattr(error, "orig", None) or error
    message, *_ = str(cause).splitlines() or [""]
    return f"{type(cause).__name__}: {message}" if message else type(cause).__name__


def _is_not_migrated(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    is_named = any(message in str(error.orig) for message in NOT_MIGRATED_MESSAGES)
    return _code(error) in NOT_MIGRATED_SQLSTATES or (_code(error) == "SQLITE_ERROR" and is_named)


def _is_restricted(error: Exception) -> bool:
    if not isinstance(error, IntegrityError):
        return False
    message = RESTRICTIONS.get(_code(error))
    return message is not None and message in first_line(error)


def _is_conflict(error: Exception) -> bool:
    if isinstance(error, IntegrityError):
        return _code(error) in CONFLICT_CODES
    return isinstance(error, StaleDataError)


def _is_unavailable(error: Exception) -> bool:
    if isinstance(error, DBAPIError) and _code(error) in BUG_CODES:
        return False
    if isinstance(error, UNAVAILABLE_ERRORS):
        return True
    if isinstance(error, InternalError) and not _code(error):
        return True  # of asyncpg, not of the server: the connection was lost in a statement
    return isinstance(error, DBAPIError) and _code(error).startswith(TRANSIENT_SQLSTATES)


def _code(error: DBAPIError) -> str:
    """Return the SQLSTATE of PostgreSQL or the name of SQLite's error."""
    names = ("sqlstate", "sqlite_errorname")
    return next((code for name in names if (code := getattr(error.orig, name, None))), "")
