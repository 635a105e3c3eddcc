"""Fixtures: a database for the run, a transaction for each test, clients who are somebody."""

import asyncio
import logging
import os
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from blockbuster import blockbuster_ctx
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from uvicorn.loops.auto import auto_loop_factory

from tests.database import server, temporary_database

resources = ExitStack()
os.environ["DATABASE_URL"] = resources.enter_context(temporary_database())
os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
os.environ["ENV_FILE"] = os.devnull  # the developer's .env is not for tests

from app.config import settings
from app.core import background, passwords
from app.db.session import async_session_factory, engine
from app.main import app
from app.models import User
from app.services import auth_service
from app.services.session_service import SessionService

PASSWORD = "Correct1Horse"
ROOT = Path(__file__).parents[1]


MakeUser = Callable[..., Awaitable[User]]
LogIn = Callable[[User], Awaitable[AsyncClient]]

auth_service.DELAY = (0, 0)
passwords.context.update(argon2__memory_cost=8, argon2__time_cost=1)  # strong enough for tests

HASHED = passwords.context.hash(PASSWORD)
REAL_DUMMY, passwords.DUMMY = passwords.DUMMY, HASHED


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests on the event loop that the server chooses."""
    return {"uvicorn": auto_loop_factory()}


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
def statements() -> Generator[list[str]]:
    """Yield the SQL that is executed from now on."""
    executed: list[str] = []

    def note(*arguments: Any) -> None:  # noqa: ANN401 - SQLAlchemy's signature
        if arguments[2].startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            executed.append(arguments[2])

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield executed
    event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def connection(_engine: None) -> AsyncGenerator[AsyncConnection]:
    """Yield the connection of a test; whatever is committed there is gone after it."""
    async with engine.connect() as connection, connection.begin() as transaction:
        async_session_factory.configure(bind=connection, join_transaction_mode="create_savepoint")
        yield connection
        async_session_factory.configure(bind=engine, join_transaction_mode="conditional_savepoint")
        await transaction.rollback()


@pytest.fixture
async def db(connection: AsyncConnection) -> AsyncGenerator[AsyncSession]:
    """Yield a session of a test."""
    async with async_session_factory(bind=connection) as session:
        yield session


@pytest.fixture
async def connect(
    db: AsyncSession, secrets_used: set[str]
) -> AsyncGenerator[Callable[[], Awaitable[AsyncClient]]]:
    """Yield a function that returns a new client of the service, who is nobody yet."""
    del db  # the transaction that the service works in

    async def watch(response: Response) -> None:
        await background.drain()  # jobs share the connection of the test
        await response.aread()
        secrets_used.update(re.findall(r'"(?:access|refresh)_token":"([^"]+)"', response.text))

    async with AsyncExitStack() as clients:

        async def _connect() -> AsyncClient:
            transport = ASGITransport(app=app, raise_app_exceptions=False)
            base_url = f"http://test{settings.API_V1_PREFIX}"
            hooks = {"response": [watch]}
            return await clients.enter_async_context(
                AsyncClient(transport=transport, base_url=base_url, event_hooks=hooks)
            )

        yield _connect


@pytest.fixture
def secrets_used() -> set[str]:
    """Return the passwords and tokens of a test."""
    return {PASSWORD, "SecurePass123", "Another1Horse"}


@pytest.fixture(scope="session", autouse=True)
def _nothing_blocks_the_event_loop() -> Generator[None]:
    """Fail where code of ours waits for a file, a socket or a clock without letting others run."""
    with blockbuster_ctx("app") as detector:
        # What is done once, before there are requests.
        for name in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            detector.functions[name].can_block_in("app/api/docs.py", "include")
        for name in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            # Of a new connection, not of a request: the driver looks for files with passwords.
            place = "asyncpg/connect_utils.py"
            detector.functions[name].can_block_in(place, "_parse_connect_dsn_and_args")
        detector.functions["os.path.abspath"].can_block_in("app/db/session.py", "build_engine")
        yield


@pytest.fixture(autouse=True)
def _no_secret_is_logged(
    secrets_used: set[str], caplog: pytest.LogCaptureFixture
) -> Generator[None]:
    caplog.set_level(logging.INFO)
    yield
    records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
    logged = "".join(record.getMessage() + (record.exc_text or "") for record in records)
    assert not [secret for secret in secrets_used if secret in logged]
    shown = [record for record in records if record.getMessage().startswith("Mail to ")]
    assert shown or "@example.com" not in logged  # no address, except of a mail in development


@pytest.fixture
async def client(connect: Callable[[], Awaitable[AsyncClient]]) -> AsyncClient:
    """Return a client who is nobody."""
    return await connect()


@pytest.fixture
def make_user(db: AsyncSession) -> MakeUser:
    """Return a function that registers somebody with `PASSWORD`."""

    async def _make_user(name: str = "ann", **attributes: object) -> User:
        email = f"{name}@example.com"
        user = User(email=email, full_name=name.title(), hashed_password=HASHED, **attributes)
        db.add(user)
        await db.commit()
        return user

    return _make_user


@pytest.fixture
def log_in(connect: Callable[[], Awaitable[AsyncClient]], db: AsyncSession) -> LogIn:
    """Return a function that returns a client with a session."""

    async def _log_in(user: User) -> AsyncClient:
        client = await connect()
        tokens = await SessionService(db).open(user.id)
        await db.commit()
        client.headers["Authorization"] = f"Bearer {tokens.access_token}"
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


def while_verifying(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, change: Callable[[], Awaitable[None]]
) -> None:
    """Let something else happen while a module compares a password."""

    async def verify(password: str, hashed: str | None) -> passwords.Verdict:
        verdict = await passwords.verify_password(password, hashed)
        await change()
        return verdict

    monkeypatch.setattr(module, "verify_password", verify)
