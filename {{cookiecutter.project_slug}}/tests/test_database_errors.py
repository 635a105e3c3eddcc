"""Database errors: conflicts are 409, an unavailable database is 503, bugs are 500."""

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from app.core.exceptions import EmailTakenError
from app.core.logging import ReadableFormatter
from app.models import User
from app.services.user_service import UserService
from tests.helpers import CONFIRMED, NEW_USER


class DriverError(Exception):
    """An error of a driver, with its code."""

    def __init__(self, sqlstate: str = "", sqlite_errorname: str = "") -> None:
        self.sqlstate = sqlstate
        self.sqlite_errorname = sqlite_errorname


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT secret", {}, Exception("server closed the connection")),
        OperationalError(None, None, FileNotFoundError("no such file")),
        PoolTimeoutError("QueuePool limit"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
)
async def test_unavailable_database_is_a_503(
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(UserService, "create", fail)
    response = await client.post("/users/", json=NEW_USER)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "secret" not in response.text
    cause = getattr(error, "orig", error)
    assert f"The database is unavailable: {type(cause).__name__}" in caplog.text
    assert str(cause) in caplog.text  # what the operator has to know


async def test_missing_setting_for_a_pooler_is_named(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise DBAPIError(None, None, DriverError("42P05"))

    monkeypatch.setattr(UserService, "create", fail)

    assert (await client.post("/users/", json=NEW_USER)).status_code == 503
    assert "requires DATABASE_POOLER=true" in caplog.text


@pytest.mark.parametrize("column", ["users.missing", "missing.id"])
async def test_database_that_is_not_migrated_is_a_503_and_the_log_says_what_to_run(
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    column: str,
) -> None:
    async def fail(users: UserService, *_: object) -> None:
        table = column.partition(".")[0]
        await users.db.execute(text(f"SELECT {column} FROM {table}"))  # noqa: S608 - a constant

    monkeypatch.setattr(UserService, "create", fail)
    response = await client.post("/users/", json=NEW_USER)

    assert response.status_code == 503
    assert "The database is not migrated: " in caplog.text
    assert "missing" in caplog.text
    assert "Run: make migrate" in caplog.text


async def test_wrong_sql_is_a_500(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(users: UserService, *_: object) -> None:
        await users.db.execute(text("SELEC 1"))

    monkeypatch.setattr(UserService, "create", fail)

    assert (await client.post("/users/", json=NEW_USER)).status_code == 500


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StaleDataError("DELETE"), 409),
        *(
            (IntegrityError("INSERT", {}, DriverError(code)), 409)
            for code in ("23001", "23503", "23505")
        ),
        (IntegrityError("INSERT", {}, DriverError("23502")), 500),
        (IntegrityError("INSERT", {}, Exception("NOT NULL")), 500),
        (IntegrityError("INSERT", {}, DriverError("", "SQLITE_CONSTRAINT_UNIQUE")), 409),
        (IntegrityError("INSERT", {}, DriverError("", "SQLITE_CONSTRAINT_TRIGGER")), 500),
        (OperationalError("INSERT", {}, DriverError("", "SQLITE_READONLY")), 500),
        (OperationalError("INSERT", {}, DriverError("", "SQLITE_BUSY")), 503),
        *(
            (DBAPIError("UPDATE", {}, DriverError(code)), 503)
            for code in ("40P01", "57P03", "08006")
        ),
        (DBAPIError("UPDATE", {}, DriverError("22003")), 500),
        (InternalError("SELECT", {}, Exception("cannot switch to state 11")), 503),
        (InternalError("SELECT", {}, DriverError("XX000")), 500),
        *(
            (DBAPIError("SELECT", {}, DriverError(c)), 503)
            for c in ("42P01", "42703", "28P01", "3D000")
        ),
        (DBAPIError("SELECT", {}, Exception("no such column")), 500),
    ],
)
async def test_database_conflict_is_a_409_and_other_errors_are_a_500(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(UserService, "create", fail)

    assert (await client.post("/users/", json=NEW_USER)).status_code == code


async def test_user_to_whom_rows_with_on_delete_restrict_refer_is_a_409(
    as_ann: AsyncClient, db: AsyncSession, ann: User
) -> None:
    column = "user_id INTEGER REFERENCES users ON DELETE RESTRICT"
    await db.execute(text(f"CREATE TABLE invoices ({column})"))
    await db.execute(text("INSERT INTO invoices VALUES (:id)"), {"id": ann.id})
    await db.commit()

    response = await as_ann.request("DELETE", "/users/me", json=CONFIRMED)

    assert (response.status_code, response.json()["code"]) == (409, "still_referenced")


async def test_violation_of_another_constraint_is_not_reported_as_a_taken_email(
    db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_constraint = IntegrityError("INSERT", {}, DriverError("23505"))

    async def flush() -> None:
        raise other_constraint

    monkeypatch.setattr(db, "flush", flush)

    with pytest.raises(IntegrityError):
        await UserService(db).flush()


async def test_violation_of_the_unique_email_is_recognized_on_this_database(
    db: AsyncSession, ann: User
) -> None:
    db.add(User(email=ann.email, full_name="Other", hashed_password=""))

    with pytest.raises(EmailTakenError):
        await UserService(db).flush()


def test_traceback_has_no_values_of_rows() -> None:
    cause = ValueError("not unique\nDETAIL:  Key (email)=(ann@example.com)\n\nexists already.")
    text = "INSERT INTO users\nDETAIL:  Failing row contains (bob@example.com)."
    error = RuntimeError(f"{text}\n[SQL: INSERT INTO users]")
    error.__cause__ = cause

    traceback = ReadableFormatter().formatException((RuntimeError, error, None))

    assert "@example.com" not in traceback
    assert "exists already" not in traceback
    for kept in ("not unique", "INSERT INTO users", "The above exception", "[SQL: INSERT"):
        assert kept in traceback
