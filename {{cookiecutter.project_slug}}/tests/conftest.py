"""Fixtures: a database for the run, a transaction for each test, clients who are somebody."""

import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from tests.database import server, temporary_database

resources = ExitStack()
os.environ["DATABASE_URL"] = resources.enter_context(temporary_database())
os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
os.environ["ENV_FILE"] = os.devnull  # the developer's .env is not for tests

from app.config import settings
from app.core import passwords
from app.db.session import async_session_factory, engine
from app.main import app
from app.models import User
from app.schemas.user import UserCreate
from app.services.user_service import UserService

PASSWORD = "Correct1Horse"
ROOT = Path(__file__).parents[1]

MakeUser = Callable[..., Awaitable[User]]
LogIn = Callable[[User], Awaitable[AsyncClient]]

passwords.context.update(argon2__memory_cost=8, argon2__time_cost=1)  # strong enough for tests


def pytest_report_header() -> str:
    """Say which database the tests run on."""
    return f"database: {server().get_backend_name()}"


def pytest_unconfigure() -> None:
    """Drop the database of the run."""
    resources.close()


def alembic_config(url: str) -> Config:
    """Return what Alembic needs to work on a database."""
    return Config(ROOT / "alembic.ini", attributes={"url": url})


@pytest.fixture(scope="session")
def _migrated() -> None:
    command.upgrade(alembic_config(settings.DATABASE_URL), "head")


@pytest.fixture(scope="session")
async def _engine(_migrated: None) -> AsyncGenerator[None]:
    yield
    await engine.dispose()


@pytest.fixture
async def db(_engine: None) -> AsyncGenerator[AsyncSession]:
    """Yield a session; whatever is committed in the test is gone after it."""
    async with engine.connect() as connection, connection.begin() as transaction:
        async_session_factory.configure(bind=connection, join_transaction_mode="create_savepoint")
        async with async_session_factory() as session:
            yield session
        async_session_factory.configure(bind=engine, join_transaction_mode="conditional_savepoint")
        await transaction.rollback()


@pytest.fixture
async def connect(db: AsyncSession) -> AsyncGenerator[Callable[[], Awaitable[AsyncClient]]]:
    """Yield a function that returns a new client of the service, who is nobody yet."""
    del db  # the transaction that the service works in
    async with AsyncExitStack() as clients:

        async def _connect() -> AsyncClient:
            transport = ASGITransport(app=app, raise_app_exceptions=False)
            base_url = f"http://test{settings.API_V1_PREFIX}"
            return await clients.enter_async_context(
                AsyncClient(transport=transport, base_url=base_url)
            )

        yield _connect


@pytest.fixture
async def client(connect: Callable[[], Awaitable[AsyncClient]]) -> AsyncClient:
    """Return a client who is nobody."""
    return await connect()


@pytest.fixture
def make_user(db: AsyncSession) -> MakeUser:
    """Return a function that registers somebody with `PASSWORD`."""

    async def _make_user(name: str = "ann", **attributes: object) -> User:
        user_in = UserCreate(
            email=f"{name}@example.com", full_name=name.title(), password=SecretStr(PASSWORD)
        )
        user = await UserService(db).create(user_in)
        for attribute, value in attributes.items():
            setattr(user, attribute, value)
        await db.commit()
        return user

    return _make_user


@pytest.fixture
def log_in(connect: Callable[[], Awaitable[AsyncClient]]) -> LogIn:
    """Return a function that returns a client who is logged in."""

    async def _log_in(user: User) -> AsyncClient:
        client = await connect()
        form = {"username": user.email, "password": PASSWORD}
        token = (await client.post("/auth/login", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    return _log_in


@pytest.fixture
async def ann(make_user: MakeUser) -> User:
    """Return a user."""
    return await make_user("ann")


@pytest.fixture
async def as_ann(ann: User, log_in: LogIn) -> AsyncClient:
    """Return the client of a user."""
    return await log_in(ann)


@pytest.fixture
async def as_bob(make_user: MakeUser, log_in: LogIn) -> AsyncClient:
    """Return the client of another user."""
    return await log_in(await make_user("bob"))


@pytest.fixture
async def as_root(make_user: MakeUser, log_in: LogIn) -> AsyncClient:
    """Return the client of a superuser."""
    return await log_in(await make_user("root", is_superuser=True))
