"""Chores of an operator, on a database of their own."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import NullPool, delete, func, select
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner, Result

from app.cli import cli
from app.core.passwords import verify_password
from app.db.base import utc_now
from app.db.session import async_session_factory, engine
from app.models import Base, MailToken, Session, Throttle, User
from app.services.session_service import SessionService
from tests.conftest import PASSWORD, alembic_config
from tests.database import temporary_database

CREATE = ["create-superuser", "--email", "Root@example.com", "--full-name", "Root"]


@contextmanager
def using(url: str) -> Generator[None]:
    """Let the commands use a database."""
    own = create_async_engine(url, poolclass=NullPool)  # each command has a loop of its own
    async_session_factory.configure(bind=own)
    yield
    async_session_factory.configure(bind=engine)


@pytest.fixture(scope="module")
def tables() -> Generator[str]:
    """Yield the URL of a database that has tables."""
    with temporary_database() as url:
        command.upgrade(alembic_config(url), "head")
        yield url


@pytest.fixture
def migrated(tables: str) -> Generator[None]:
    """Let the commands use a database that has tables, and empty them afterwards."""
    with using(tables):
        yield
        asyncio.run(empty_tables())


async def empty_tables() -> None:
    """Delete every row."""
    async with async_session_factory() as db:
        for table in reversed(Base.metadata.sorted_tables):
            await db.execute(delete(table))
        await db.commit()


def run(*arguments: str, stdin: str = "") -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, list(arguments), stdin)


async def find(email: str) -> User:
    """Return the user that is in the database."""
    async with async_session_factory() as db:
        return (await db.scalars(select(User).where(User.email == email))).one()


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize(
    ("options", "stdin"),
    [(["--password-stdin"], f"{PASSWORD}\n"), ([], f"{PASSWORD}\n{PASSWORD}\n")],
)
def test_a_superuser_is_created_with_a_password_from_stdin_or_prompt(
    options: list[str], stdin: str
) -> None:
    result = run(*CREATE, *options, stdin=stdin)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("Superuser root@example.com created.\n")
    assert PASSWORD not in result.output
    root = asyncio.run(find("root@example.com"))
    assert root.is_superuser
    assert root.is_verified
    assert asyncio.run(verify_password(PASSWORD, root.hashed_password)).right


@pytest.mark.usefixtures("migrated")
def test_an_address_that_is_taken_is_an_error() -> None:
    run(*CREATE, "--password-stdin", stdin=PASSWORD)
    result = run(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 1
    assert result.stderr == "A user with this email already exists.\n"


@pytest.mark.usefixtures("migrated")
def test_the_rules_of_registration_hold() -> None:
    arguments = [
        "create-superuser",
        "--email",
        "root@example.com",
        "--full-name",
        "",
        "--password-stdin",
    ]
    result = run(*arguments, stdin="weak")

    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["full_name", "password"]
    assert "weak" not in result.output


def test_a_database_without_tables_is_explained() -> None:
    with temporary_database() as url, using(url):
        result = run(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 1
    assert "alembic upgrade head" in result.stderr


def test_without_a_command_the_help_is_shown() -> None:
    assert "create-superuser" in run().output


@pytest.fixture
def root(migrated: None) -> str:
    """Return the address of a superuser, made with `PASSWORD`."""
    del migrated  # where the command works
    run(*CREATE, "--password-stdin", stdin=PASSWORD)
    return "root@example.com"


async def open_sessions(email: str, count: int) -> None:
    """Log a user in."""
    user = await find(email)
    async with async_session_factory() as db:
        for _ in range(count):
            await SessionService(db).open(user.id)
        await db.commit()


NO_SESSIONS = ["The user has no sessions."]


def sessions_of(email: str) -> list[str]:
    """Return what the command says of the sessions of a user."""
    result = run("list-sessions", "--email", email)
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_a_new_password_ends_all_sessions(root: str) -> None:
    asyncio.run(open_sessions(root, 2))
    assert len(sessions_of(root)) == 2

    result = run("set-password", "--email", root, "--password-stdin", stdin="Another1Horse\n")

    assert (result.exit_code, result.stderr) == (0, "")
    assert sessions_of(root) == NO_SESSIONS
    hashed = asyncio.run(find(root)).hashed_password
    assert asyncio.run(verify_password("Another1Horse", hashed)).right


@pytest.mark.parametrize("password", ["weak", "Password1", "Root-User1"])
def test_a_new_password_keeps_to_the_rules(root: str, password: str) -> None:
    result = run("set-password", "--email", root, "--password-stdin", stdin=password)

    assert result.exit_code == 1
    assert "must" in result.stderr
    assert password not in result.output


def test_a_deactivated_user_is_locked_out(root: str) -> None:
    run(
        "create-superuser",
        "--email",
        "b@example.com",
        "--full-name",
        "B",
        "--password-stdin",
        stdin=PASSWORD,
    )
    asyncio.run(open_sessions(root, 1))

    result = run("deactivate", "--email", root)

    assert result.exit_code == 0
    assert sessions_of(root) == NO_SESSIONS
    assert not asyncio.run(find(root)).is_active
    last = run("deactivate", "--email", "b@example.com")
    assert (last.exit_code, last.stderr) == (1, "The last superuser has to stay.\n")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("command", ["set-password", "deactivate", "list-sessions"])
def test_a_user_who_does_not_exist_is_an_error(command: str) -> None:
    for email in ("nobody@example.com", "nobody"):
        result = run(command, "--email", email, stdin=f"{PASSWORD}\n{PASSWORD}\n")
        assert result.exit_code == 1
        assert result.stderr


def test_a_bad_address_is_told_before_the_password_is_asked_for() -> None:
    result = run("create-superuser", "--email", "nobody", "--full-name", "X", stdin="")

    assert result.exit_code == 1
    assert "email: value is not a valid email address" in result.stderr
    assert "Password" not in result.stdout


def test_what_has_expired_is_purged_and_nothing_else(root: str) -> None:
    asyncio.run(open_sessions(root, 2))
    asyncio.run(fill(root))
    assert asyncio.run(count()) == [4, 2, 2]

    assert run("purge").stdout == "Purged.\n"

    assert asyncio.run(count()) == [2, 1, 1]


async def fill(email: str) -> None:
    """Add a session that is over, and a link and a count each that are and are not."""
    user = await find(email)
    past, future = utc_now() - timedelta(days=1), utc_now() + timedelta(days=1)
    over = {"user_id": user.id, "expires_at": past}
    link = {"purpose": "reset", "email": email}
    async with async_session_factory() as db:
        db.add(Session(id="over", refresh_hash="", idle_at=future, **over))
        idle = over | {"expires_at": future, "idle_at": past}
        db.add(Session(id="idle", refresh_hash="", **idle))
        db.add(MailToken(token_hash="old", **link, **over))
        db.add(MailToken(token_hash="new", **link, **(over | {"expires_at": future})))
        db.add(Throttle(key="old", hits=1, window_end=past))
        db.add(Throttle(key="new", hits=1, window_end=future))
        await db.commit()


async def count() -> list[int]:
    """Return how many sessions, links and counts there are."""
    async with async_session_factory() as db:
        tables = (Session, MailToken, Throttle)
        return [await db.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


@pytest.mark.usefixtures("migrated")
def test_a_password_that_is_no_text_is_explained() -> None:
    result = CliRunner().invoke(cli, [*CREATE, "--password-stdin"], input=b"\xff\n")

    assert (result.exit_code, result.stderr) == (1, "The password is not text in UTF-8.\n")
