"""Helpers that several test files share."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from alembic.config import Config
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import settings
from app.core import passwords

API = settings.API_V1_PREFIX


def password(text: str) -> str:
    """Return a password that the policy allows, however long it has to be."""
    return text.ljust(settings.PASSWORD_MIN_LENGTH, "x")


PASSWORD = password("Correct1-Horse")
CONFIRMED = {"current_password": PASSWORD}
NEW_PASSWORD = password("Another1-Horse")
NEW_USER = {"email": "new@example.com", "full_name": "New", "password": NEW_PASSWORD}
ROOT = Path(__file__).parents[1]


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    return Config(ROOT / "alembic.ini", attributes={"url": url})


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@asynccontextmanager
async def running(app: FastAPI) -> AsyncGenerator[ASGIApp]:
    """Run the lifespan of an app, in a task of its own as servers do; yield the app."""
    state: dict[str, Any] = {}
    is_started, is_stopped = asyncio.Event(), asyncio.Event()

    async def run_lifespan() -> None:
        async with app.router.lifespan_context(app) as yielded:
            state.update(yielded or {})
            is_started.set()
            await is_stopped.wait()

    async def run_app(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    lifespan = asyncio.create_task(run_lifespan())
    start = asyncio.create_task(is_started.wait())
    await asyncio.wait({lifespan, start}, return_when=asyncio.FIRST_COMPLETED)
    if lifespan.done():
        start.cancel()
        await lifespan  # raises its error
    yield run_app
    is_stopped.set()
    await lifespan


def transport_to(app: ASGIApp, client_ip: str = "127.0.0.1") -> ASGITransport:
    """Return a transport to an app, whose unhandled errors are logged as by a server."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            logging.getLogger("tests").exception("Unhandled error")
            raise

    return ASGITransport(app=run, client=(client_ip, 1), raise_app_exceptions=False)


def client_for(app: ASGIApp) -> AsyncClient:
    """Return a client of an app."""
    return AsyncClient(transport=transport_to(app), base_url="http://test")


async def talk(app: ASGIApp, path: str, *texts: str, **headers: str) -> list[Message]:
    """Open a WebSocket, send texts, disconnect; return the messages of the service."""
    sent: list[Message] = []
    received: list[Message] = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": text} for text in texts),
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    return sent


def while_verifying(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, change: Callable[[], Awaitable[None]]
) -> None:
    """Run a concurrent change while a module verifies a password."""

    async def verify(password: str, hashed: str | None) -> passwords.VerifyResult:
        result = await passwords.verify_password(password, hashed)
        await change()
        return result

    monkeypatch.setattr(module, "verify_password", verify)


class Inbox:
    """The messages that an SMTP server has received, as handler of aiosmtpd."""

    def __init__(self, secrets_used: set[str]) -> None:
        self.port = 0
        self.messages: list[EmailMessage] = []
        self.reply = "250 OK"
        self.refusal = ""  # of recipients
        self.free = asyncio.Event()  # while it is cleared, the server hangs
        self.free.set()
        self.secrets_used = secrets_used

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Accept or refuse a recipient."""
        envelope.rcpt_tos.append(address)
        return self.refusal or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it
        """Receive an email."""
        await self.free.wait()
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return self.reply

    def token(self, recipient: str = "") -> str:
        """Return the token in the newest email, or in the newest one to a recipient."""
        (token,) = set(re.findall(r"token=([\w-]+)", self.text(recipient)))
        self.secrets_used.add(token)
        return str(token)

    def text(self, recipient: str = "") -> str:
        """Return the plain text of the newest email, or of the newest one to a recipient."""
        received = [message for message in self.messages if recipient in message["To"]]
        body = received[-1].get_body(("plain",))
        assert body
        return str(body.get_content())
