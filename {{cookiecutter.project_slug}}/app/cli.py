"""Administrative commands: `python -m app.cli --help`."""

import asyncio
import sys
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from getpass import GetPassWarning
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.app_error import AppError
from app.core.exceptions import DatabaseUnavailableError, UserNotFoundError
from app.core.logging import configure_command_logging
from app.db.errors import first_line
from app.db.session import engine, transaction
from app.models import User, UserSession
from app.schemas.types import Email, Password
from app.schemas.user import UserCreate
from app.services.account_service import AccountService
from app.services.email_service import EmailService
from app.services.purge_service import purge as purge_expired
from app.services.session_service import SessionService
from app.services.user_service import UserService

Result = TypeVar("Result")
Work = Callable[[AsyncSession], Awaitable[Result]]

EmailOption = Annotated[str, typer.Option("--email", help="Email of the user.")]
FullNameOption = Annotated[str, typer.Option("--full-name", help="Display name of the user.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


class _EmailInput(BaseModel):
    email: Email


class _PasswordInput(BaseModel):
    password: Password


cli = typer.Typer(
    help="Administrative commands.", no_args_is_help=True, pretty_exceptions_enable=False
)


@cli.callback()
def configure() -> None:
    """Log security events only: the commands print their errors themselves."""
    configure_command_logging()


@cli.command()
def create_superuser(
    *, email: EmailOption, full_name: FullNameOption, password_stdin: PasswordStdin = False
) -> None:
    """Create a superuser, or make one of the user who has the email, with this name and password.

    Prompts for the password, which the password policy must allow. All sessions of the user end.
    """
    with _plain_errors():
        _parse_email(email)  # before the password is prompted for
        password = SecretStr(_read_password(from_stdin=password_stdin))
        user_in = UserCreate(email=email, full_name=full_name, password=password)

        async def work(db: AsyncSession) -> bool:
            users = UserService(db)
            if await users.get_by_email(user_in.email) is None:
                await users.create(user_in, is_superuser=True, is_verified=True)
                return True
            new_hash = await users.hash_new_password(password, user_in.email, user_in.full_name)
            user = await _get_user(db, email)
            await _accounts(db).take_over(user, new_hash, user_in.full_name)
            return False

        is_new = _run(work)
    done = "created" if is_new else "has a new name and password; all sessions have ended"
    typer.echo(f"Superuser {user_in.email} {done}.")


@cli.command()
def set_password(*, email: EmailOption, password_stdin: PasswordStdin = False) -> None:
    """Set the password of a user, and end all sessions. No email is sent."""
    with _plain_errors():
        new = _PasswordInput(password=SecretStr(_read_password(from_stdin=password_stdin))).password

        async def work(db: AsyncSession) -> None:
            user = await _get_user(db, email)
            users = UserService(db)
            new_hash = await users.hash_new_password(new, user.email, user.full_name)
            await _accounts(db).change_password(await _get_user(db, email), new_hash)

        _run(work)
    typer.echo("Password set. All sessions have ended.")


@cli.command()
def deactivate(*, email: EmailOption) -> None:
    """Deactivate a user, and end all sessions."""
    _change(email, lambda users, user: users.revoke(user, is_active=False))
    typer.echo("User deactivated. All sessions have ended.")


@cli.command()
def activate(*, email: EmailOption) -> None:
    """Activate a user who was deactivated."""
    _change(email, lambda users, user: users.set_privileges(user, is_active=True))
    typer.echo("User activated.")


@cli.command()
def promote(*, email: EmailOption) -> None:
    """Make a user with a verified email a superuser."""
    _change(email, lambda users, user: users.set_privileges(user, is_superuser=True))
    typer.echo("The user is a superuser now.")


@cli.command()
def demote(*, email: EmailOption) -> None:
    """Make a superuser an ordinary user."""
    _change(email, lambda users, user: users.revoke(user, is_superuser=False))
    typer.echo("The user is no superuser any more.")


@cli.command()
def delete(*, email: EmailOption, yes: Yes = False) -> None:
    """Delete a user and everything that belongs to it."""
    if not yes:
        typer.confirm(f"Delete {email}, and everything that belongs to it?", abort=True)
    _change(email, UserService.delete)
    typer.echo("User deleted.")


@cli.command()
def list_sessions(*, email: EmailOption) -> None:
    """List the sessions of a user, newest first."""

    async def work(db: AsyncSession) -> list[UserSession]:
        return await SessionService(db).get_many(await _get_user(db, email))

    with _plain_errors():
        sessions = _run(work)
    for session in sessions:
        used = f"{session.last_used_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{session.id}  used {used}  {session.client_ip}  {session.user_agent}".rstrip())
    if not sessions:
        typer.echo("The user has no sessions.")


@cli.command()
def purge() -> None:
    """Delete expired rows now. The service does it every hour."""
    with _plain_errors():
        _run(purge_expired)
    typer.echo("Expired rows deleted.")


def _run(work: Work[Result]) -> Result:
    """Run the work in one transaction."""

    async def run_in_transaction() -> Result:
        try:
            async with transaction() as db:
                return await work(db)
        finally:
            await engine.dispose()
            await asyncio.sleep(0.05)  # the thread of aiosqlite needs the event loop to end

    return asyncio.run(run_in_transaction())


def _change(email: str, change: Callable[[UserService, User], Awaitable[None]]) -> None:
    """Change a user."""

    async def work(db: AsyncSession) -> None:
        await change(UserService(db), await _get_user(db, email))

    with _plain_errors():
        _run(work)


def _accounts(db: AsyncSession) -> AccountService:
    return AccountService(db, EmailService(db), client_ip="")


async def _get_user(db: AsyncSession, email: str) -> User:
    """Return the user who has the email, and lock it: the email may change meanwhile."""
    users, parsed = UserService(db), _parse_email(email)
    user = await users.get_by_email(parsed)
    if user is None or user.id not in await users.lock(user) or user.email != parsed:
        raise UserNotFoundError
    return user


def _parse_email(email: str) -> str:
    """Return the email as it is stored."""
    return _EmailInput(email=email).email


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
        except GetPassWarning:
            return _fail("There is no terminal to ask for the password: use --password-stdin.")


@contextmanager
def _plain_errors() -> Generator[None]:
    """Print an error as one sentence instead of a traceback, and exit with status 1."""
    try:
        yield
    except ValidationError as error:
        lines = [": ".join([*map(str, e["loc"]), e["msg"]]) for e in error.errors()]
        _fail("\n".join(lines))
    except UnicodeDecodeError:
        _fail("The password must be valid UTF-8.")
    except (DatabaseUnavailableError, SQLAlchemyError, OSError) as error:
        cause = error.__cause__ if isinstance(error, DatabaseUnavailableError) else error
        reason = first_line(cause) if isinstance(cause, Exception) else ""
        message = "The database is unreachable or not migrated"
        _fail(f"{message}. Start it, then run: alembic upgrade head\n{reason}")
    except AppError as error:
        _fail(error.detail)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    cli()
