"""Email delivery by SMTP: after the commit and the response, with retries and TLS."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import background, email
from app.models import EmailToken, User
from app.schemas.user import UserCreate
from app.services.account_service import AccountService
from tests.conftest import REAL_RETRY_DELAYS, OverrideSettings
from tests.helpers import NEW_USER, Inbox

EMAIL = {"email": "ann@example.com"}


class Encrypted(NamedTuple):
    """An SMTP server that requires TLS and a login."""

    inbox: Inbox
    logins: list[LoginPassword]


@pytest.fixture
async def encrypted(
    request: pytest.FixtureRequest,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    override_settings: OverrideSettings,
    tmp_path: Path,
) -> AsyncGenerator[Encrypted]:
    """Yield an SMTP server that requires a login, and TLS in the way of the parameter."""
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
    login = {"SMTP_USER": "me", "SMTP_PASSWORD": "Mail1Server"}
    async with await loop.create_server(serve, "127.0.0.1", 0, ssl=wrapped) as server:
        port = server.sockets[0].getsockname()[1]
        override_settings(SMTP_PORT=port, SMTP_SECURITY=request.param, **login)
        yield Encrypted(inbox, logins)


async def test_failed_commit_sends_no_email(
    client: AsyncClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_session: AsyncSession) -> None:
        statement = "COMMIT"
        raise OperationalError(statement, {}, Exception())

    register = AccountService.register

    async def then_fail(accounts: AccountService, user_in: UserCreate) -> User:
        user = await register(accounts, user_in)
        monkeypatch.setattr(AsyncSession, "commit", fail)
        return user

    monkeypatch.setattr(AccountService, "register", then_fail)

    assert (await client.post("/users/", json=NEW_USER)).status_code == 503
    assert inbox.messages == []


async def test_response_does_not_wait_for_its_email(
    client: AsyncClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_response: list[bool] = []
    inbox.free.clear()
    wait_for_all = background.wait_for_all

    async def release() -> None:  # called by the client of the tests after each response
        at_response.append(bool(inbox.messages))
        inbox.free.set()
        await wait_for_all()

    monkeypatch.setattr(background, "wait_for_all", release)

    assert (await client.post("/users/", json=NEW_USER)).status_code == 201
    assert at_response == [False]
    inbox.token()


async def test_rejecting_smtp_server_is_retried_and_logged(
    client: AsyncClient, db: AsyncSession, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.reply = f"451 {NEW_USER['email']} has a full mailbox"

    assert (await client.post("/users/", json=NEW_USER)).status_code == 201

    assert "not sent after 3 attempts" in caplog.text
    assert inbox.reply.replace(NEW_USER["email"], "…") in caplog.text
    assert NEW_USER["email"] not in caplog.text
    assert len(inbox.messages) == 3
    inbox.token()
    assert await db.scalar(select(func.count()).select_from(EmailToken)) == 1


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("values", [{"SMTP_PORT": 1}, {"SMTP_HOST": "nowhere.invalid"}])
async def test_unreachable_smtp_server_does_not_change_the_response(
    client: AsyncClient,
    override_settings: OverrideSettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, object],
) -> None:
    monkeypatch.setattr(email, "RETRY_DELAYS", (0, 0, 0))
    override_settings(**({"SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none"} | values))

    assert (await client.post("/auth/password/forgot", json=EMAIL)).status_code == 202
    assert "not sent after" in caplog.text


async def test_hanging_smtp_server_times_out(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(email, "SMTP_TIMEOUT", 0.05)
    inbox.free.clear()

    start = time.perf_counter()
    await email.send(email.render("password_changed", "ann@example.com", link=""))

    assert 0.15 <= time.perf_counter() - start < 1  # three attempts
    assert "not sent after" in caplog.text
    inbox.free.set()


async def test_email_has_what_relays_require(
    inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_FROM="Shop <shop@bücher.example>")
    for recipient in ("ann@bücher.example", "ann@straße.example"):
        await email.send(email.render("password_changed", recipient, link=""))

    first, second = inbox.messages
    assert first["To"] == "ann@xn--bcher-kva.example"
    assert second["To"] == "ann@xn--strae-oqa.example"  # not IDNA 2003, where it is another domain
    assert first["From"] == "Shop <shop@xn--bcher-kva.example>"
    assert abs(first["Date"].datetime.timestamp() - time.time()) < 60
    assert first["Message-ID"].endswith("@xn--bcher-kva.example>")
    assert first["Message-ID"] != second["Message-ID"]


async def test_refused_recipient_is_logged_with_the_reason_of_the_server(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.refusal = "550 5.1.1 <ann@example.com> no such user"

    await email.send(email.render("password_changed", "ann@example.com", link=""))

    assert "SMTPRecipientRefused: 550 5.1.1 <…> no such user" in caplog.text


async def test_email_is_retried_after_the_retry_delays(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (REAL_RETRY_DELAYS, email.SMTP_TIMEOUT) == ((0, 5, 30), 10)
    monkeypatch.setattr(email, "RETRY_DELAYS", (0, 0.02, 0.04))
    inbox.reply = "451 later"

    start = time.perf_counter()
    await email.send(email.render("password_changed", "ann@example.com", link=""))

    assert time.perf_counter() - start > 0.06
    assert len(inbox.messages) == 3


@pytest.mark.parametrize("encrypted", ["starttls", "tls"], indirect=True)
async def test_email_is_sent_with_tls_and_smtp_login(encrypted: Encrypted) -> None:
    await email.send(email.render("password_changed", "ann@example.com", link=""))

    assert len(encrypted.inbox.messages) == 1
    assert encrypted.logins == [LoginPassword(b"me", b"Mail1Server")]


async def test_email_is_not_sent_unencrypted_if_starttls_is_configured(
    inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(SMTP_PORT=inbox.port, SMTP_SECURITY="starttls")

    await email.send(email.render("password_changed", "ann@example.com", link=""))

    assert inbox.messages == []


@pytest.mark.parametrize("encrypted", ["starttls", "tls"], indirect=True)
async def test_smtp_server_with_an_untrusted_certificate_gets_no_email(
    encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    await email.send(email.render("password_changed", "ann@example.com", link=""))

    assert (encrypted.inbox.messages, encrypted.logins) == ([], [])
    assert "not sent after" in caplog.text


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("debug", [True, False])
async def test_email_is_logged_in_development_without_smtp_host(
    client: AsyncClient,
    override_settings: OverrideSettings,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
) -> None:
    override_settings(SMTP_HOST="", DEBUG=debug)

    await client.post("/auth/password/forgot", json=EMAIL)

    assert ("token=" in caplog.text) == debug
    assert ("SMTP_HOST is not set" in caplog.text) != debug


def test_values_are_escaped_in_html_emails() -> None:
    message = email.render("reset", "a@example.com", link='https://x/?a=1&b="<', minutes="1")

    html = message.get_body(("html",))
    assert html
    assert "https://x/?a=1&amp;b=&quot;&lt;" in html.get_content()


def test_every_email_has_a_text_and_html() -> None:
    names = [name.rpartition(".") for name in email.TEMPLATES]

    texts = {name for name, _, kind in names if kind == "txt"}
    assert texts == {name for name, _, kind in names if kind == "html"}


@pytest.mark.parametrize(("debug", "host", "warned"), [(0, "", 1), (1, "", 0), (0, "a.b", 0)])
def test_service_warns_that_emails_are_discarded(
    override_settings: OverrideSettings,
    caplog: pytest.LogCaptureFixture,
    debug: int,
    host: str,
    warned: int,
) -> None:
    override_settings(DEBUG=debug, SMTP_HOST=host, FRONTEND_URL="https://app.example.com")
    caplog.clear()

    email.warn_if_emails_are_discarded()

    assert caplog.text.count("emails, such as verification links, are discarded") == warned
