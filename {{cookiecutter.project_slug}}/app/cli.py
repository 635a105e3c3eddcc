"""Chores of an operator: `python -m app.cli --help`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, TypeVar

import typer
from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import AppError
from app.db.session import engine, get_db
from app.schemas.user import UserCreate
from app.services.user_service import UserService

Result = TypeVar("Result")

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
session = asynccontextmanager(get_db)

Email = Annotated[str, typer.Option(help="Address to log in with.")]
FullName = Annotated[str, typer.Option(help="Name to show.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@cli.callback(help=__doc__)
def main() -> None:
    """Make the name of a command necessary, even while there is only one."""


@cli.command()
def create_superuser(
    *, email: Email, full_name: FullName, password_stdin: PasswordStdin = False
) -> None:
    """Register a superuser."""
    password = SecretStr(_read_password(from_stdin=password_stdin))
    with _plain_errors():
        user_in = UserCreate(email=email, full_name=full_name, password=password)
        _run(lambda db: UserService(db).create(user_in, is_superuser=True))
    typer.echo(f"Superuser {user_in.email} created.")


def _run(work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    async def in_transaction() -> Result:
        try:
            async with session() as db:
                return await work(db)
        finally:
            await engine.dispose()

    return asyncio.run(in_transaction())


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@contextmanager
def _plain_errors() -> Generator[None]:
    """Say what went wrong in a sentence, and exit with 1."""
    try:
        yield
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        _fail("\n".join(lines))
    except AppError as error:
        _fail(error.detail)
    except (SQLAlchemyError, OSError):
        _fail("The database is not ready. Is it running, and did you run: alembic upgrade head")


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    cli()
