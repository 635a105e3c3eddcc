"""Administrative commands, on a database of their own."""

import asyncio
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from getpass import GetPassWarning

import pytest
from alembic import command
from sqlalchemy import delete, func, select, update
from typer.testing import CliRunner, Result

from app.cli import cli
from app.core import passwords
from app.core.passwords import verify_password
from app.db.base import utc_now
from app.db.engine import command_engine
from app.db.session import async_session_factory, engine
from app.models import Base, EmailToken, KnownClient, RateLimitCounter, User, UserSession
from app.services import user_service
from app.services.known_client_service import KnownClients
from app.services.session_service import SessionService
from tests.database import temporary_database
from tests.helpers import NEW_PASSWORD, PASSWORD, alembic_config

CREATE = ["create-superuser", "--email", "Root@example.com", "--full-name", "Root"]
NO_SESSIONS = ["The user has no sessions."]


@contextmanager
def using(url: str) -> Generator[None]:
    """Let the commands use a database."""
    own = command_engine(url)  # each command has an event loop of its own
    async_session_factory.configure(bind=own)
    yield
    async_session_factory.configure(bind=engine)


@pytest.fixture(scope="module")
def tables(_migrated: None) -> Generator[str]:
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
    """Return a user from the database."""
    async with async_session_factory() as db:
        return (await db.scalars(select(User).where(User.email == email))).one()


@pytest.fixture
def root(migrated: None) -> str:
    """Return the email of a superuser with `PASSWORD`."""
    del migrated  # the database of the command
    run(*CREATE, "--password-stdin", stdin=PASSWORD)
    return "root@example.com"


async def create_sessions(email: str, count: int) -> None:
    """Create sessions of a user."""
    user = await find(email)
    async with async_session_factory() as db:
        for _ in range(count):
            await SessionService(db).create(user.id)
        await db.commit()


async def register(email: str, *, is_verified: bool = False) -> None:
    """Register a user, or change whether the email is verified."""
    async with async_session_factory() as db:
        user = await db.scalar(select(User).where(User.email == email))
        user = user or User(email=email, full_name="Somebody", hashed_password="")
        user.is_verified = is_verified
        db.add(user)
        await db.commit()


async def leave_traces(email: str) -> None:
    """Add a known client, a pending email, and a token that can undo its change."""
    user = await find(email)
    token = EmailToken(token_hash="x", user_id=user.id, purpose="undo", email=email)
    token.expires_at = utc_now() + timedelta(hours=1)
    async with async_session_factory() as db:
        db.add(token)
        await KnownClients(db).add(email, "203.0.113.1")
        await db.execute(update(User).values(pending_email="squatter@example.com"))
        await db.commit()


def sessions_of(email: str) -> list[str]:
    """Return what `list-sessions` prints."""
    result = run("list-sessions", "--email", email)
    assert result.exit_code == 0
    return result.stdout.splitlines()


async def fill(email: str) -> None:
    """Add expired sessions, and an expired and a valid row of each other kind."""
    user = await find(email)
    past, future = utc_now() - timedelta(days=1), utc_now() + timedelta(days=1)
    token = {"user_id": user.id, "purpose": "reset", "email": email}
    async with async_session_factory() as db:
        for name, expires_at, idle_expires_at in (("a", past, future), ("b", future, past)):
            session = UserSession(id=name, user_id=user.id, refresh_hash="", expires_at=expires_at)
            session.idle_expires_at = idle_expires_at
            db.add(session)
        for name, time in (("expired", past), ("valid", future)):
            db.add(EmailToken(token_hash=name, expires_at=time, **token))
            db.add(RateLimitCounter(key=name, attempts=1, window_end=time))
            db.add(KnownClient(key=name, expires_at=time))
        await db.commit()


async def count() -> list[int]:
    """Return the numbers of rows of the tables that are purged."""
    async with async_session_factory() as db:
        tables = (UserSession, EmailToken, RateLimitCounter, KnownClient)
        return [await db.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize(
    ("options", "stdin"),
    [(["--password-stdin"], f"{PASSWORD}\n"), ([], f"{PASSWORD}\n{PASSWORD}\n")],
)
def test_create_superuser_reads_the_password_from_stdin_or_prompt(
    options: list[str], stdin: str
) -> None:
    result = run(*CREATE, *options, stdin=stdin)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("Superuser root@example.com created.\n")
    assert PASSWORD not in result.output
    root = asyncio.run(find("root@example.com"))
    assert root.is_superuser
    assert root.is_verified
    assert asyncio.run(verify_password(PASSWORD, root.hashed_password)).is_correct


@pytest.mark.usefixtures("migrated")
def test_create_superuser_takes_over_an_account_that_somebody_else_registered() -> None:
    asyncio.run(register("root@example.com"))
    asyncio.run(create_sessions("root@example.com", 2))
    asyncio.run(leave_traces("root@example.com"))

    result = run(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "Superuser root@example.com has a new name and password; all sessions have ended.\n"
    )
    root = asyncio.run(find("root@example.com"))
    assert (root.is_superuser, root.is_verified, root.is_active) == (True, True, True)
    assert asyncio.run(verify_password(PASSWORD, root.hashed_password)).is_correct
    assert (root.full_name, root.pending_email) == ("Root", None)
    assert sessions_of("root@example.com") == ["The user has no sessions."]
    assert asyncio.run(count()) == [0, 0, 0, 0]


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize("name", [CREATE, ["set-password", "--email", "root@example.com"]])
def test_user_whose_email_changes_while_the_password_is_hashed_is_not_found(
    name: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(register("root@example.com"))
    hash_password = passwords.hash_password

    async def change_email(password: str) -> str:
        async with async_session_factory() as db:
            await db.execute(update(User).values(email="squatter@example.com"))
            await db.commit()
        return await hash_password(password)

    monkeypatch.setattr(user_service, "hash_password", change_email)

    assert run(*name, "--password-stdin", stdin=PASSWORD).stderr == "User not found.\n"
    assert not asyncio.run(find("squatter@example.com")).is_superuser


def test_password_is_not_asked_for_without_a_terminal(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(*_: object, **__: object) -> None:
        warnings.warn("visible", GetPassWarning, stacklevel=2)

    monkeypatch.setattr("typer.prompt", warn)

    assert "--password-stdin" in run("set-password", "--email", root).stderr


def test_users_are_promoted_demoted_activated_and_deleted(root: str) -> None:
    asyncio.run(register("ann@example.com"))
    ann = ("--email", "ann@example.com")

    unverified = run("promote", *ann)
    assert (unverified.exit_code, unverified.stderr) == (
        1,
        "The email of the user must be verified first.\n",
    )

    asyncio.run(register("ann@example.com", is_verified=True))
    assert run("promote", *ann).stdout == "The user is a superuser now.\n"
    assert run("demote", "--email", root).stdout == "The user is no superuser any more.\n"
    for name in (["demote"], ["deactivate"], ["delete", "--yes"]):
        last = run(*name, *ann)
        assert (last.exit_code, "last" in last.stderr) == (1, True), last.stderr

    assert run("promote", "--email", root).exit_code == 0
    assert run("deactivate", *ann).exit_code == 0
    assert not asyncio.run(find("ann@example.com")).is_active
    assert run("activate", *ann).stdout == "User activated.\n"
    assert asyncio.run(find("ann@example.com")).is_active
    assert run("delete", *ann, stdin="n\n").exit_code == 1
    assert run("delete", *ann, stdin="y\n").stdout.endswith("User deleted.\n")
    assert run("delete", "--yes", *ann).stderr == "User not found.\n"


@pytest.mark.usefixtures("migrated")
def test_create_superuser_validates_like_registration() -> None:
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


def test_command_on_a_database_without_tables_explains_the_migration() -> None:
    with temporary_database() as url, using(url):
        result = run(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 1
    assert "alembic upgrade head" in result.stderr


def test_cli_without_a_command_prints_the_help() -> None:
    assert "create-superuser" in run().output


def test_set_password_ends_all_sessions(root: str) -> None:
    asyncio.run(create_sessions(root, 2))
    assert len(sessions_of(root)) == 2

    result = run("set-password", "--email", root, "--password-stdin", stdin=f"{NEW_PASSWORD}\n")

    assert (result.exit_code, result.stderr) == (0, "")
    assert sessions_of(root) == NO_SESSIONS
    assert asyncio.run(count())[2] == 0  # no email, so none is counted
    hashed = asyncio.run(find(root)).hashed_password
    assert asyncio.run(verify_password(NEW_PASSWORD, hashed)).is_correct


@pytest.mark.parametrize("password", ["weak", "Password1", "Root-User1"])
def test_set_password_enforces_the_password_policy(root: str, password: str) -> None:
    result = run("set-password", "--email", root, "--password-stdin", stdin=password)

    assert result.exit_code == 1
    assert "password" in result.stderr.lower()
    assert "Value error" not in result.stderr
    assert password not in result.output


def test_deactivate_ends_all_sessions_and_rejects_the_last_superuser(root: str) -> None:
    run(
        "create-superuser",
        "--email",
        "b@example.com",
        "--full-name",
        "B",
        "--password-stdin",
        stdin=PASSWORD,
    )
    asyncio.run(create_sessions(root, 1))

    result = run("deactivate", "--email", root)

    assert result.exit_code == 0
    assert sessions_of(root) == NO_SESSIONS
    assert not asyncio.run(find(root)).is_active
    last = run("deactivate", "--email", "b@example.com")
    assert (last.exit_code, last.stderr) == (1, "The last active superuser cannot be removed.\n")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "command",
    ["set-password", "deactivate", "activate", "promote", "demote", "delete", "list-sessions"],
)
def test_command_for_an_unknown_user_fails(command: str) -> None:
    for email in ("nobody@example.com", "nobody"):
        result = run(command, "--email", email, stdin=f"{PASSWORD}\n{PASSWORD}\n")
        assert result.exit_code == 1
        assert result.stderr


def test_invalid_email_is_rejected_before_the_password_prompt() -> None:
    result = run("create-superuser", "--email", "nobody", "--full-name", "X", stdin="")

    assert result.exit_code == 1
    assert "email: value is not a valid email address" in result.stderr
    assert "Password" not in result.stdout


def test_purge_deletes_expired_rows_and_nothing_else(root: str) -> None:
    asyncio.run(create_sessions(root, 2))
    asyncio.run(fill(root))
    assert asyncio.run(count()) == [4, 2, 2, 2]

    assert run("purge").stdout == "Expired rows deleted.\n"

    assert asyncio.run(count()) == [2, 1, 1, 1]


@pytest.mark.usefixtures("migrated")
def test_password_that_is_not_utf8_is_rejected_with_a_plain_message() -> None:
    result = CliRunner().invoke(cli, [*CREATE, "--password-stdin"], input=b"\xff\n")

    assert (result.exit_code, result.stderr) == (1, "The password must be valid UTF-8.\n")
