"""Fill the database of development, through the services: `make seed`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import typer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.app_error import AppError
from app.core.exceptions import EmailTakenError
from app.db.errors import first_line
from app.db.session import engine, transaction
from app.models import User
from app.schemas.base import WriteSchema
from app.schemas.item import ItemCreate
from app.schemas.user import UserCreate
from app.services.item_service import ItemService
from app.services.user_service import UserService

PASSWORD = "Correct1-Horse".ljust(settings.PASSWORD_MIN_LENGTH, "x")
ADMIN = {"email": "admin@example.com", "full_name": "Admin", "password": PASSWORD}
USER = {"email": "user@example.com", "full_name": "User", "password": PASSWORD}


class Seed(NamedTuple):
    """Objects of a resource that the user owns, or that superusers write."""

    service: Callable[[AsyncSession, User], Any]
    schema: type[WriteSchema]
    bodies: list[dict[str, Any]]
    by_admin: bool = False


SEEDS: list[Seed] = [
    Seed(ItemService, ItemCreate, [{"title": "Chair"}, {"title": "Lamp"}]),
]


async def seed(db: AsyncSession) -> None:
    """Create a superuser, and a user who owns some objects.

    Raises:
        AppError, ValidationError: if the API would reject them.
    """
    users = UserService(db)
    admin = UserCreate.model_validate(ADMIN)
    superuser = await users.create(admin, is_superuser=True, is_verified=True)
    user = await users.create(UserCreate.model_validate(USER), is_verified=True)
    for service, schema, bodies, by_admin in SEEDS:
        for body in bodies:
            await service(db, superuser if by_admin else user).create(schema.model_validate(body))


def main() -> None:
    """Seed the database, and print how to log in."""
    if not settings.DEBUG:
        _fail("This is for development: DEBUG is not set.")
    try:
        asyncio.run(_in_transaction(seed))
    except EmailTakenError:
        typer.echo("The users exist already; make db-reset starts again.")
    except ValidationError as error:
        _fail(f"The API rejects a seed: {error}")
    except AppError as error:
        cause = error.__cause__
        _fail(f"{error.detail} {first_line(cause) if isinstance(cause, Exception) else ''}")
    for user in (USER, ADMIN):
        typer.echo(f"{user['email']} {PASSWORD}")


async def _in_transaction(work: Callable[[AsyncSession], Awaitable[None]]) -> None:
    try:
        async with transaction() as db:
            await work(db)
    finally:
        await engine.dispose()
        await asyncio.sleep(0.05)  # the thread of aiosqlite needs the event loop to end


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
