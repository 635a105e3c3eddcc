"""Chores of an operator: `python -m app.cli --help`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, TypeVar

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import AppError, UserNotFoundError
from app.db.session import engine, get_db
from app.models import Session, User
from app.schemas.auth import Forgot
from app.schemas.base import Password
from app.schemas.user import UserCreate
from app.services.mail_service import MailService
from app.services.session_service import SessionService
from app.services.throttle_service import ThrottleService
from app.services.user_service import UserService

Result = TypeVar("Result")
Work = Callable[[AsyncSession], Awaitable[Result]]

EmailOption = Annotated[str, typer.Option("--email", help="Address that the user logs in with.")]
FullName = Annotated[str, typer.Option(help="Name to show.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

cli = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@cli.command()
def create_superuser(
    *, email: EmailOption, full_name: FullName, password_stdin: PasswordStdin = False
) -> None:
    """Register a superuser."""
    with _plain_errors():
        _spelled(email)  # before a password is asked for
        password = SecretStr(_read_password(from_stdin=password_stdin))
        user_in = UserCreate(email=email, full_name=full_name, password=password)
        rights = {"is_superuser": True, "is_verified": True}
        _run(lambda db: _users(db).create(user_in, **rights))
    typer.echo(f"Superuser {user_in.email} created.")


@cli.command()
def set_password(*, email: EmailOption, password_stdin: PasswordStdin = False) -> None:
    """Give a user another password, and end all of the user's sessions."""
    with _plain_errors():
        password = _read_password(from_stdin=password_stdin)
        new = TypeAdapter[SecretStr](Password).validate_python(password)

        async def work(db: AsyncSession) -> None:
            user, users = await _find(db, email), _users(db)
            await users.set_password(user, await users.hash(new, user.email, user.full_name))

        _run(work)
    typer.echo("Password set; all sessions have ended.")


@cli.command()
def deactivate(*, email: EmailOption) -> None:
    """Lock a user out, from now on and everywhere."""

    async def work(db: AsyncSession) -> None:
        await _users(db).deactivate(await _find(db, email))

    with _plain_errors():
        _run(work)
    typer.echo("User deactivated; all sessions have ended.")


@cli.command()
def list_sessions(*, email: EmailOption) -> None:
    """List the sessions of a user, newest first."""

    async def work(db: AsyncSession) -> list[Session]:
        return await SessionService(db).get_many(await _find(db, email))

    with _plain_errors():
        sessions = _run(work)
    for session in sessions:
        typer.echo(f"{session.id}  since {session.created_at:%Y-%m-%d %H:%M} UTC")
    if not sessions:
        typer.echo("The user has no sessions.")


@cli.command()
def purge() -> None:
    """Delete what has expired: sessions, links and counts of tries. For a daily job."""

    async def work(db: AsyncSession) -> None:
        await SessionService(db).purge()
        await _mails(db).purge()
        await ThrottleService(db).purge()

    with _plain_errors():
        _run(work)
    typer.echo("Purged.")


def _run(work: Work[Result]) -> Result:
    """Do the work in one transaction."""

    async def in_transaction() -> Result:
        try:
            async with asynccontextmanager(get_db)() as db:
                return await work(db)
        finally:
            await engine.dispose()

    return asyncio.run(in_transaction())


def _mails(db: AsyncSession) -> MailService:
    return MailService(db, later=lambda *_: None)  # an operator tells people in another way


def _users(db: AsyncSession) -> UserService:
    return UserService(db, _mails(db))


async def _find(db: AsyncSession, email: str) -> User:
    user = await _users(db).get_by_email(_spelled(email))
    if user is None:
        raise UserNotFoundError
    return user


def _spelled(email: str) -> str:
    """Return an address as it is stored."""
    return Forgot(email=email).email


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
        lines = [": ".join([*map(str, e["loc"]), e["msg"]]) for e in error.errors()]
        _fail("\n".join(lines))
    except UnicodeDecodeError:
        _fail("The password is not text in UTF-8.")
    except (SQLAlchemyError, OSError):
        _fail("The database is not ready. Is it running, and did you run: alembic upgrade head")
    except AppError as error:
        _fail(error.detail)


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    cli()
