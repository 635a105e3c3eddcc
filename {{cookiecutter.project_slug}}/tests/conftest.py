"""Fixtures: a database for the run, a transaction for each test, clients for each role."""

import asyncio
import logging
import os
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from aiosmtpd.smtp import SMTP
from alembic import command
from blockbuster import blockbuster_ctx
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

from tests.database import server_url, temporary_database

resources = ExitStack()
os.environ["DATABASE_URL"] = resources.enter_context(temporary_database())
os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
os.environ["ENV_FILE"] = os.devnull  # the developer's .env is not for tests
# What the tests rely on, whatever the shell and the defaults in app/config.py say.
os.environ |= {
    "ALLOWED_HOSTS": "",
    "ALLOWED_ORIGINS": "http://localhost:3000",
    "DATABASE_ECHO": "false",
    "DATABASE_POOLER": "false",
    "DEBUG": "false",
    "EMAIL_CHANGE_RATE_PER_USER": "5/3600",
    "EMAIL_RATE_PER_IP": "20/3600",
    "EMAIL_RATE_PER_RECIPIENT": "5/3600",
    "LOGIN_RATE_PER_EMAIL": "100/3600",
    "LOGIN_RATE_PER_IP": "40/60",
    "LOGIN_RATE_PER_IP_AND_EMAIL": "5/300",
    "MAX_BODY_BYTES": "1048576",
    "PASSWORD_CONFIRMATION_RATE_PER_USER": "5/300",
    "REGISTRATION_OPEN": "true",
    "REGISTRATION_RATE_PER_IP": "60/60",
    "REQUIRE_VERIFIED_EMAIL": "false",
    "SMTP_HOST": "",
    "STOP_DELAY_SECONDS": "0",
    "TRUSTED_PROXIES": "",
}

from app import main
from app.config import Settings, settings
from app.core import background, email, passwords
from app.db.session import async_session_factory, engine
from app.main import app
from app.models import User
from app.services import account_service
from app.services.session_service import SessionService
from tests.helpers import API, NEW_PASSWORD, PASSWORD, Inbox, alembic_config, client_for, running

ClientFrom = Callable[[str], AsyncClient]
Connect = Callable[[], Awaitable[AsyncClient]]
MakeUser = Callable[..., Awaitable[User]]
LogIn = Callable[[User], Awaitable[AsyncClient]]
OverrideSettings = Callable[..., None]

REAL_EMAIL_DELAY_SECONDS = account_service.EMAIL_DELAY_SECONDS
account_service.EMAIL_DELAY_SECONDS = (0.0, 0.0)
REAL_RETRY_DELAYS = email.RETRY_DELAYS
REAL_DUMMY_HASH = passwords.DUMMY_HASH
passwords.context.update(argon2__memory_cost=8, argon2__time_cost=1)  # strong enough for tests
HASHED = passwords.DUMMY_HASH = passwords.context.hash(PASSWORD)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests on the event loop that the server uses."""
    return {"uvicorn": auto_loop_factory()}


def pytest_report_header() -> str:
    """Print which database the tests run on."""
    return f"database: {server_url().get_backend_name()}"


def pytest_unconfigure() -> None:
    """Drop the database of the run."""
    resources.close()


@pytest.fixture
def override_settings(monkeypatch: pytest.MonkeyPatch) -> OverrideSettings:
    """Return a function that changes settings for the rest of the test, parsed as at start.

    What is built from settings, such as an app or an engine, has to be built again:
    `create_app()`, `build_engine(url)`.
    """

    def _override_settings(**values: object) -> None:
        changed = Settings.model_validate(dict(settings) | values)
        for name in values:  # not by setattr: settings are frozen for everybody else
            monkeypatch.setitem(vars(settings), name, getattr(changed, name))

    return _override_settings


@pytest.fixture(scope="session")
def _migrated() -> None:
    command.upgrade(alembic_config(settings.DATABASE_URL), "head")


@pytest.fixture(scope="session")
async def started_app(_migrated: None) -> AsyncGenerator[ASGIApp]:
    """Yield the app after its lifespan has started, as on a server."""
    with patch.object(main, "configure_logging"):  # pytest captures the log
        async with running(app) as started:
            yield started


@pytest.fixture
def statements() -> Generator[list[str]]:
    """Yield the SQL statements that are executed from now on."""
    executed: list[str] = []

    def record(*arguments: Any) -> None:  # noqa: ANN401 - SQLAlchemy's signature
        if arguments[2].startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            executed.append(arguments[2])

    event.listen(engine.sync_engine, "before_cursor_execute", record)
    yield executed
    event.remove(engine.sync_engine, "before_cursor_execute", record)


@pytest.fixture
async def connection(started_app: ASGIApp) -> AsyncGenerator[AsyncConnection]:
    """Yield the connection of a test, in a transaction that is rolled back afterwards."""
    del started_app  # which closes the engine when it stops
    async with engine.connect() as connection, connection.begin() as transaction:
        async_session_factory.configure(bind=connection, join_transaction_mode="create_savepoint")
        yield connection
        async_session_factory.configure(bind=engine, join_transaction_mode="conditional_savepoint")
        await transaction.rollback()


@pytest.fixture
async def db(connection: AsyncConnection) -> AsyncGenerator[AsyncSession]:
    """Yield a database session of the test."""
    async with async_session_factory(bind=connection) as session:
        yield session


@pytest.fixture
async def connect(
    db: AsyncSession, started_app: ASGIApp, secrets_used: set[str]
) -> AsyncGenerator[Connect]:
    """Yield a function that returns a new client without authentication."""
    del db  # the transaction that the service works in

    async def watch(response: Response) -> None:
        await background.wait_for_all()  # background tasks share the connection of the test
        await response.aread()
        secrets_used.update(re.findall(r'"(?:access|refresh)_token":"([^"]+)"', response.text))

    async with AsyncExitStack() as clients:

        async def _connect() -> AsyncClient:
            transport = ASGITransport(app=started_app, raise_app_exceptions=False)
            hooks: dict[str, list[Callable[..., Any]]] = {"response": [watch]}
            return await clients.enter_async_context(
                AsyncClient(transport=transport, base_url=f"http://test{API}", event_hooks=hooks)
            )

        yield _connect


@pytest.fixture
def secrets_used() -> set[str]:
    """Return the passwords and tokens of the test."""
    return {PASSWORD, NEW_PASSWORD}


@pytest.fixture(scope="session", autouse=True)
def _detect_blocking_calls() -> Generator[None]:
    """Fail if code of the service blocks the event loop by a file, a socket or sleep()."""
    with blockbuster_ctx("app") as detector:
        # Allowed: what happens once, before there are requests.
        for function in detector.functions.values():
            function.can_block_in("app/main.py", "lifespan")
        for name in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            detector.functions[name].can_block_in("app/api/swagger.py", "mount_swagger_ui")
        # Allowed: what the driver reads for a new connection, such as a password file.
        for name in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            place = "asyncpg/connect_utils.py"
            detector.functions[name].can_block_in(place, "_parse_connect_dsn_and_args")
        detector.functions["os.path.abspath"].can_block_in("app/db/session.py", "build_engine")
        yield


@pytest.fixture(autouse=True)
def _no_secret_is_logged(
    secrets_used: set[str], caplog: pytest.LogCaptureFixture
) -> Generator[None]:
    """Fail if a password, a token or an email was logged."""
    caplog.set_level(logging.INFO)
    yield
    records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
    logged = "".join(record.getMessage() + (record.exc_text or "") for record in records)
    assert not [secret for secret in secrets_used if secret in logged]
    emails = [record for record in records if record.getMessage().startswith("Email to ")]
    assert emails or "@example.com" not in logged  # except emails in the log of development


@pytest.fixture
async def client(connect: Connect) -> AsyncClient:
    """Return a client without authentication."""
    return await connect()


@pytest.fixture
async def bare_client(started_app: ASGIApp) -> AsyncGenerator[AsyncClient]:
    """Yield a client at the root path, for requests that need no database."""
    async with client_for(started_app) as client:
        yield client


@pytest.fixture
def make_user(db: AsyncSession) -> MakeUser:
    """Return a function that creates a user with `PASSWORD` and a verified email."""

    async def _make_user(name: str = "ann", **attributes: object) -> User:
        defaults = {"email": f"{name}@example.com", "full_name": name.title(), "is_verified": True}
        user = User(hashed_password=HASHED, **defaults | attributes)
        db.add(user)
        await db.commit()
        return user

    return _make_user


@pytest.fixture
def log_in(connect: Connect, db: AsyncSession) -> LogIn:
    """Return a function that returns a client with a session of the user."""

    async def _log_in(user: User) -> AsyncClient:
        client = await connect()
        tokens = await SessionService(db).create(user.id)
        await db.commit()
        client.headers["Authorization"] = f"Bearer {tokens.access_token}"
        return client

    return _log_in


@pytest.fixture
async def ann(make_user: MakeUser) -> User:
    """Return a user."""
    return await make_user("ann")


@pytest.fixture
async def unverified_ann(ann: User, db: AsyncSession) -> User:
    """Return a user whose email is not verified."""
    ann.is_verified = False
    await db.commit()
    return ann


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


@pytest.fixture
def broken_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a bug to the registration."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(account_service.AccountService, "register", fail)


@pytest.fixture
def client_from(db: AsyncSession, started_app: ASGIApp) -> ClientFrom:
    """Return a function that returns a client with a client IP."""
    del db  # the transaction that the service works in

    def _client_from(client_ip: str) -> AsyncClient:
        transport = ASGITransport(
            app=started_app, client=(client_ip, 1), raise_app_exceptions=False
        )
        return AsyncClient(transport=transport, base_url=f"http://test{API}")

    return _client_from


@pytest.fixture
async def inbox(
    monkeypatch: pytest.MonkeyPatch,
    override_settings: OverrideSettings,
    secrets_used: set[str],
    caplog: pytest.LogCaptureFixture,
) -> AsyncGenerator[Inbox]:
    """Yield the inbox of an SMTP server that the service uses."""
    caplog.set_level(logging.WARNING, "mail.log")  # of aiosmtpd
    inbox = Inbox(secrets_used)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    inbox.port = server.sockets[0].getsockname()[1]
    override_settings(SMTP_HOST="127.0.0.1", SMTP_PORT=inbox.port, SMTP_SECURITY="none")
    monkeypatch.setattr(email, "RETRY_DELAYS", (0, 0, 0))
    yield inbox
    server.close()
    await server.wait_closed()
