"""Links by mail, through a real mail server."""

import asyncio
import logging
import re
import ssl
import time
import warnings
from collections.abc import AsyncGenerator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as Connection
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core import background, email
from app.db.base import utc_now
from app.models import MailToken, User
from app.schemas.user import UserCreate
from app.services.mail_service import MailService
from app.services.user_service import UserService
from tests.conftest import PASSWORD

NEW = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
NEW_PASSWORD = "Another1Horse"
EMAIL = {"email": "ann@example.com"}
SECOND = timedelta(seconds=1)
REAL_PAUSES = email.PAUSES


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self, secrets_used: set[str]) -> None:
        self.port = 0
        self.messages: list[EmailMessage] = []
        self.reply = "250 OK"
        self.free = asyncio.Event()  # to take a mail
        self.free.set()
        self.secrets_used = secrets_used

    async def handle_DATA(self, _server: SMTP, _connection: Connection, envelope: Envelope) -> str:  # noqa: N802 - the server calls it
        """Keep a mail."""
        await self.free.wait()
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
    inbox.port = server.sockets[0].getsockname()[1]
    configure(monkeypatch, SMTP_PORT=inbox.port)
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


async def test_what_could_not_be_committed_sends_nothing(
    client: AsyncClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_session: AsyncSession) -> None:
        statement = "COMMIT"
        raise OperationalError(statement, {}, Exception())

    register = UserService.register

    async def then_fail(users: UserService, user_in: UserCreate, address: str) -> User:
        user = await register(users, user_in, address)
        monkeypatch.setattr(AsyncSession, "commit", fail)
        return user

    monkeypatch.setattr(UserService, "register", then_fail)

    assert (await client.post("/users/", json=NEW)).status_code == 503
    assert inbox.messages == []


async def test_a_response_does_not_wait_for_its_mail(
    client: AsyncClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_response: list[bool] = []
    inbox.free.clear()
    drain = background.drain

    async def release() -> None:  # what a client of the tests does with each response
        at_response.append(bool(inbox.messages))
        inbox.free.set()
        await drain()

    monkeypatch.setattr(background, "drain", release)

    assert (await client.post("/users/", json=NEW)).status_code == 201
    assert at_response == [False]
    inbox.token()


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
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(email, "TIMEOUT", 0.05)
    inbox.free.clear()

    start = time.perf_counter()
    await email.send(email.compose("email_changed", "ann@example.com"))

    assert 0.15 <= time.perf_counter() - start < 1  # three tries
    assert "given up" in caplog.text
    inbox.free.set()


async def test_the_second_and_third_try_come_later(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert email.PAUSES[0] == 0
    assert REAL_PAUSES == (0, 5, 30)
    monkeypatch.setattr(email, "PAUSES", (0, 0.02, 0.04))
    inbox.reply = "451 later"

    start = time.perf_counter()
    await email.send(email.compose("email_changed", "ann@example.com"))

    assert time.perf_counter() - start > 0.06
    assert len(inbox.messages) == 3


@pytest.mark.usefixtures("ann")
async def test_a_link_lives_as_long_as_the_settings_say(
    client: AsyncClient, as_ann: AsyncClient, db: AsyncSession
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    await as_ann.post("/auth/email/verify/request")

    links = await db.scalars(select(MailToken))
    lives = {link.purpose: link.expires_at - link.created_at for link in links}
    assert abs(lives["reset"] - timedelta(minutes=settings.RESET_EXPIRE_MINUTES)) < SECOND
    assert abs(lives["verify"] - timedelta(hours=settings.VERIFY_EXPIRE_HOURS)) < SECOND


class Encrypted(NamedTuple):
    """A mail server that wants TLS and a login."""

    inbox: Inbox
    logins: list[LoginPassword]


@pytest.fixture
async def encrypted(
    request: pytest.FixtureRequest,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncGenerator[Encrypted]:
    """Yield a mail server that wants TLS, in the way of the parameter, and a login."""
    logins: list[LoginPassword] = []

    def authenticate(*arguments: Any) -> AuthResult:  # noqa: ANN401 - the server's own types
        logins.append(arguments[-1])
        return AuthResult(success=True)

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    serve_logged_in = partial(SMTP, inbox, authenticator=authenticate, auth_required=True)

    def serve() -> SMTP:
        if request.param == "starttls":
            return serve_logged_in(tls_context=context, require_starttls=True)
        with warnings.catch_warnings(action="ignore"):  # it does not see that the socket is safe
            return serve_logged_in(auth_require_tls=False)

    loop = asyncio.get_running_loop()
    wrapped = context if request.param == "tls" else None
    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=wrapped)
    port = server.sockets[0].getsockname()[1]
    login = {"SMTP_USER": "me", "SMTP_PASSWORD": SecretStr("Mail1Server")}
    configure(monkeypatch, SMTP_PORT=port, SMTP_SECURITY=request.param, **login)
    yield Encrypted(inbox, logins)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("encrypted", ["starttls", "tls"], indirect=True)
async def test_mail_is_encrypted_and_the_server_is_logged_in_to(encrypted: Encrypted) -> None:
    await email.send(email.compose("email_changed", "ann@example.com"))

    assert len(encrypted.inbox.messages) == 1
    assert encrypted.logins == [LoginPassword(b"me", b"Mail1Server")]


async def test_mail_does_not_leave_unencrypted_where_encryption_is_asked_for(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, SMTP_PORT=inbox.port, SMTP_SECURITY="starttls")

    await email.send(email.compose("email_changed", "ann@example.com"))

    assert inbox.messages == []


@pytest.mark.parametrize("encrypted", ["starttls", "tls"], indirect=True)
async def test_a_mail_server_that_is_not_who_it_says_gets_nothing(
    encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    await email.send(email.compose("email_changed", "ann@example.com"))

    assert (encrypted.inbox.messages, encrypted.logins) == ([], [])
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


async def test_of_two_who_open_a_link_at_once_one_wins(
    client: AsyncClient, ann: User, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_owner = MailService.find_owner

    async def find_and_lose(mails: MailService, *arguments: Any, lock: bool = False) -> User:  # noqa: ANN401 - passed on
        user = await find_owner(mails, *arguments, lock=lock)
        if lock:  # the other one was faster
            await mails.db.execute(delete(MailToken))
        return user

    monkeypatch.setattr(MailService, "find_owner", find_and_lose)
    await client.post("/auth/password/forgot", json={"email": ann.email})
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}

    assert (await client.post("/auth/password/reset", json=body)).status_code == 422
