"""Chores of an operator, on a database of their own."""

import asyncio
from collections.abc import Generator

import pytest
from alembic import command
from sqlalchemy import NullPool, select
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner, Result

from app.cli import cli
from app.core.passwords import verify_password
from app.db.session import async_session_factory, engine
from app.models import User
from tests.conftest import PASSWORD, alembic_config
from tests.database import temporary_database

CREATE = ["create-superuser", "--email", "Root@example.com", "--full-name", "Root"]


@pytest.fixture
def empty() -> Generator[str]:
    """Yield the URL of an empty database, which the commands use."""
    with temporary_database() as url:
        own = create_async_engine(url, poolclass=NullPool)  # each command has a loop of its own
        async_session_factory.configure(bind=own)
        yield url
        async_session_factory.configure(bind=engine)


@pytest.fixture
def migrated(empty: str) -> str:
    """Return the URL of a database that has tables."""
    command.upgrade(alembic_config(empty), "head")
    return empty


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
    assert asyncio.run(verify_password(PASSWORD, root.hashed_password)).right


@pytest.mark.usefixtures("migrated")
def test_an_address_that_is_taken_is_an_error() -> None:
    run(*CREATE, "--password-stdin", stdin=PASSWORD)
    result = run(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 1
    assert result.stderr == "A user with this email already exists.\n"


@pytest.mark.usefixtures("migrated")
def test_the_rules_of_registration_hold() -> None:
    arguments = ["create-superuser", "--email", "root", "--full-name", "", "--password-stdin"]
    result = run(*arguments, stdin="weak")

    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["email", "full_name", "password"]
    assert "weak" not in result.output


@pytest.mark.usefixtures("empty")
def test_a_database_without_tables_is_explained() -> None:
    result = run(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 1
    assert "alembic upgrade head" in result.stderr


def test_without_a_command_the_help_is_shown() -> None:
    assert "create-superuser" in run().output
