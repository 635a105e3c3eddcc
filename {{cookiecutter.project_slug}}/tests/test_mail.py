"""Links by mail, through a real mail server."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Connection
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core import background, email
from app.db.base import utc_now
from app.models import MailToken, User
from tests.conftest import PASSWORD

NEW = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
NEW_PASSWORD = "Another1Horse"
EMAIL = {"email": "ann@example.com"}


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self, secrets_used: set[str]) -> None:
        self.messages: list[EmailMessage] = []
        self.reply = "250 OK"
        self.secrets_used = secrets_used

    async def handle_DATA(self, _server: SMTP, _connection: Connection, envelope: Envelope) -> str:  # noqa: N802 - the server calls it
        """Keep a mail."""
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return self.reply

    def token(self) -> str:
        """Return the token in the newest mail."""
        (token,) = set(re.findall(r"token=([\w-]+)", self.text()))
        self.secrets_used.add(token)
        return str(token)

    def text(self) -> str:
        """Return the text of the newest mail."""
        body = self.messages[-1].get_body(("plain",))
        assert body
        return str(body.get_content())


def configure(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Change settings of the mail."""
    values = {"SMTP_SECURITY": "none", "SMTP_HOST": "127.0.0.1", **values}
    monkeypatch.setattr(email, "settings", settings.model_copy(update=values))
    monkeypatch.setattr(email, "PAUSES", (0, 0, 0))


@pytest.fixture
async def inbox(
    monkeypatch: pytest.MonkeyPatch, secrets_used: set[str], caplog: pytest.LogCaptureFixture
) -> AsyncGenerator[Inbox]:
    """Yield the inbox of a mail server that the service uses."""
    caplog.set_level(logging.WARNING, "mail.log")  # what the mail server says of itself
    inbox = Inbox(secrets_used)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    configure(monkeypatch, SMTP_PORT=server.sockets[0].getsockname()[1])
    yield inbox
    server.close()
    await server.wait_closed()


async def test_a_new_user_proves_the_address_once(client: AsyncClient, inbox: Inbox) -> None:
    await client.post("/users/", json=NEW)
    (mail,) = inbox.messages
    assert mail["To"] == "new@example.com"
    assert mail["From"] == settings.MAIL_FROM
    assert mail["Subject"] == f"Confirm your address for {settings.PROJECT_NAME}"
    html = mail.get_body(("html",))
    assert html
    assert inbox.token() in html.get_content()
    assert f"{settings.FRONTEND_URL}/verify?token=" in inbox.text()

    body = {"token": inbox.token()}
    assert (await client.post("/auth/email/verify", json=body)).status_code == 204
    assert (await client.post("/auth/email/verify", json=body)).status_code == 422

    login = await client.post(
        "/auth/login", data={"username": NEW["email"], "password": NEW["password"]}
    )
    client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    assert (await client.get("/users/me")).json()["is_verified"]
    await client.post("/auth/email/verify/request")
    assert len(inbox.messages) == 1  # what is proved needs no further mail


async def test_a_new_link_takes_the_place_of_the_old_one(as_ann: AsyncClient, inbox: Inbox) -> None:
    tokens = []
    for _ in range(2):
        assert (await as_ann.post("/auth/email/verify/request")).status_code == 202
        tokens.append(inbox.token())

    codes = [
        (await as_ann.post("/auth/email/verify", json={"token": t})).status_code for t in tokens
    ]

    assert codes == [422, 204]


async def test_a_forgotten_password_is_replaced_and_every_session_ends(
    client: AsyncClient, as_ann: AsyncClient, inbox: Inbox
) -> None:
    response = await client.post("/auth/password/forgot", json=EMAIL)
    assert response.status_code == 202
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}

    assert (await client.post("/auth/password/reset", json=body)).status_code == 204

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422
    assert inbox.messages[-1]["Subject"].startswith("Your password")
    form = {"username": EMAIL["email"], "password": NEW_PASSWORD}
    assert (await client.post("/auth/login", data=form)).is_success


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("new_password", ["weak", "Password1", "Fastapi Project1"])
async def test_a_reset_keeps_to_the_rules_and_the_link_stays_good(
    client: AsyncClient, inbox: Inbox, new_password: str
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": new_password}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422

    body["new_password"] = NEW_PASSWORD
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204


async def test_nobody_learns_who_has_an_account(
    client: AsyncClient, as_ann: AsyncClient, ann: User, db: AsyncSession, inbox: Inbox
) -> None:
    known = await client.post("/auth/password/forgot", json=EMAIL)
    unknown = await client.post("/auth/password/forgot", json={"email": "nobody@example.com"})
    ann.is_active = False
    await db.commit()
    inactive = await client.post("/auth/password/forgot", json=EMAIL)

    assert known.status_code == unknown.status_code == inactive.status_code == 202
    assert known.content == unknown.content == inactive.content
    assert len(inbox.messages) == 1
    assert (await as_ann.post("/auth/email/verify/request")).status_code == 401


async def test_a_link_is_good_for_one_purpose(
    client: AsyncClient, as_ann: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.post("/auth/email/verify/request")
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422

    await client.post("/auth/password/forgot", json=EMAIL)
    assert (
        await client.post("/auth/email/verify", json={"token": inbox.token()})
    ).status_code == 422
    assert (
        await client.post(
            "/auth/refresh", data={"grant_type": "refresh_token", "refresh_token": inbox.token()}
        )
    ).status_code == 401
    headers = {"Authorization": f"Bearer {inbox.token()}"}
    assert (await client.get("/users/me", headers=headers)).status_code == 401


@pytest.mark.usefixtures("ann")
async def test_a_link_expires(client: AsyncClient, db: AsyncSession, inbox: Inbox) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    await db.execute(update(MailToken).values(expires_at=utc_now() - timedelta(seconds=1)))
    await db.commit()

    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422


@pytest.mark.usefixtures("ann")
async def test_a_link_is_stored_as_a_hash(
    client: AsyncClient, db: AsyncSession, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)

    stored = (await db.scalars(select(MailToken.token_hash))).one()
    assert len(stored) == 64
    assert inbox.token() != stored


async def test_a_new_address_is_told_and_asked_and_the_old_links_are_dead(
    client: AsyncClient, as_ann: AsyncClient, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    old = inbox.token()
    body = {"email": "ann@new.example.com", "current_password": PASSWORD}
    assert not (await as_ann.patch("/users/me", json=body)).json()["is_verified"]

    told, asked = sorted(inbox.messages[-2:], key=lambda mail: str(mail["To"]))
    assert (told["To"], asked["To"]) == ("ann@example.com", "ann@new.example.com")
    inbox.messages.append(asked)
    assert "another address" in str(told.get_body(("plain",)))
    assert (await client.post("/auth/email/verify", json={"token": inbox.token()})).is_success
    body = {"token": old, "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422


async def test_a_failed_request_sends_nothing(client: AsyncClient, ann: User, inbox: Inbox) -> None:
    response = await client.post("/users/", json=NEW | {"email": ann.email})

    assert response.status_code == 409
    assert inbox.messages == []


async def test_a_mail_server_that_refuses_changes_no_answer_and_is_logged(
    client: AsyncClient, db: AsyncSession, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.reply = "451 later"

    assert (await client.post("/users/", json=NEW)).status_code == 201

    assert "given up after 3 tries" in caplog.text
    assert NEW["email"] not in caplog.text
    assert len(inbox.messages) == 3
    inbox.token()
    assert await db.scalar(select(func.count()).select_from(MailToken)) == 1


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("values", [{"SMTP_PORT": 1}, {"SMTP_HOST": "nowhere.invalid"}])
async def test_a_mail_server_that_is_away_changes_no_answer(
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    values: dict[str, object],
) -> None:
    configure(monkeypatch, **values)

    assert (await client.post("/auth/password/forgot", json=EMAIL)).status_code == 202
    assert "given up" in caplog.text


async def test_a_mail_server_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(_reader: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    configure(monkeypatch, SMTP_PORT=server.sockets[0].getsockname()[1])
    monkeypatch.setattr(email, "TIMEOUT", 0.05)

    await background.start(email.send, email.compose("email_changed", "ann@example.com"))
    await background.drain(patience=0.001)  # a stop of the service does not wait for ever
    await background.drain()
    server.close()
    await server.wait_closed()

    assert "given up" in caplog.text


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("debug", [True, False])
async def test_without_a_mail_server_development_shows_the_mail(
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    debug: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    configure(monkeypatch, SMTP_HOST="", DEBUG=debug)

    await client.post("/auth/password/forgot", json=EMAIL)

    assert ("token=" in caplog.text) == debug
    assert ("SMTP_HOST is not set" in caplog.text) != debug


async def test_a_job_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        message = "broken"
        raise RuntimeError(message)

    await background.start(fail)
    await background.drain()

    assert "A job in the background failed." in caplog.text


def test_values_are_escaped_in_html() -> None:
    message = email.compose("reset", "a@example.com", link='https://x/?a=1&b="<', minutes="1")

    html = message.get_body(("html",))
    assert html
    assert "https://x/?a=1&amp;b=&quot;&lt;" in html.get_content()


async def test_a_reset_proves_the_address_and_a_new_password_ends_other_links(
    client: AsyncClient, as_root: AsyncClient, ann: User, db: AsyncSession, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    await as_root.patch(f"/users/{ann.id}", json={"password": "Different1Horse"})
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422

    await client.post("/auth/password/forgot", json=EMAIL)
    body["token"] = inbox.token()
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204
    await db.refresh(ann)
    assert ann.is_verified


async def test_a_link_of_a_user_who_was_locked_out_is_worth_nothing(
    client: AsyncClient, ann: User, db: AsyncSession, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    ann.is_active = False
    await db.commit()

    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/password/forgot", EMAIL),
        ("/auth/password/reset", {"token": "x", "new_password": NEW_PASSWORD}),
        ("/auth/email/verify", {"token": "x"}),
    ],
)
async def test_unknown_fields_are_refused(
    client: AsyncClient, path: str, body: dict[str, str]
) -> None:
    response = await client.post(path, json=body | {"is_superuser": True})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "is_superuser"]


async def test_jobs_that_are_given_up_at_a_stop_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await background.start(asyncio.sleep, 0.05)
    await background.drain(patience=0.001)
    await background.drain()

    assert "Jobs that were given up: 1." in caplog.text
