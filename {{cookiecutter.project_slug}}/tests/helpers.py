"""Helpers that several test files share."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from alembic.config import Config
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from app.config import settings
from app.core import passwords

API = settings.API_V1_PREFIX
PASSWORD = "Correct1Horse"
NEW_USER = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
ROOT = Path(__file__).parents[1]


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    return Config(ROOT / "alembic.ini", attributes={"url": url})


def client_for(app: FastAPI) -> AsyncClient:
    """Return a client of an app."""
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://test")


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
        self.free = asyncio.Event()  # while it is cleared, the server hangs
        self.free.set()
        self.secrets_used = secrets_used

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it
        """Receive an email."""
        await self.free.wait()
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return self.reply

    def token(self) -> str:
        """Return the token in the newest email."""
        (token,) = set(re.findall(r"token=([\w-]+)", self.text()))
        self.secrets_used.add(token)
        return str(token)

    def text(self) -> str:
        """Return the plain text of the newest email."""
        body = self.messages[-1].get_body(("plain",))
        assert body
        return str(body.get_content())
