"""Email verification: after registration, and on request."""

from datetime import timedelta

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core import passwords
from app.core.security import hash_token
from app.db.base import utc_now
from app.models import EmailToken, User
from app.services import account_service
from tests.conftest import LogIn
from tests.helpers import NEW_PASSWORD, NEW_USER, PASSWORD, Inbox, while_verifying


async def test_verification_email_of_a_registration_works_once(
    client: AsyncClient, inbox: Inbox
) -> None:
    await client.post("/users/", json=NEW_USER)
    (message,) = inbox.messages
    assert message["To"] == "new@example.com"
    assert message["From"] == settings.EMAIL_FROM
    assert message["Subject"] == f"Verify your email address for {settings.PROJECT_NAME}"
    html = message.get_body(("html",))
    assert html
    assert inbox.token() in html.get_content()
    assert f"{settings.FRONTEND_URL}/verify?token=" in inbox.text()

    body = {"token": inbox.token(), "current_password": NEW_USER["password"]}
    assert (await client.post("/auth/email/verify", json=body)).status_code == 200
    assert (await client.post("/auth/email/verify", json=body)).status_code == 422

    login = await client.post(
        "/auth/login", data={"username": NEW_USER["email"], "password": NEW_USER["password"]}
    )
    client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    assert (await client.get("/users/me")).json()["is_verified"]
    await client.post("/auth/email/verify/request")
    assert len(inbox.messages) == 1  # a verified email needs no further email


@pytest.mark.usefixtures("unverified_ann")
async def test_verification_uses_up_all_tokens_and_another_request_none(
    as_ann: AsyncClient, inbox: Inbox
) -> None:
    tokens = []
    for _ in range(2):
        assert (await as_ann.post("/auth/email/verify/request")).status_code == 202
        tokens.append(inbox.token())

    codes = [
        (await as_ann.post("/auth/email/verify", json={"token": t})).status_code for t in tokens
    ]

    assert codes == [200, 422]


async def test_owner_of_the_email_gets_rid_of_somebody_who_registered_with_it(
    client: AsyncClient, log_in: LogIn, unverified_ann: User, inbox: Inbox
) -> None:
    as_stranger = await log_in(unverified_ann)
    await as_stranger.post("/auth/email/verify/request")

    body = {"token": inbox.token()}
    verified = await client.post("/auth/email/verify", json=body)

    assert verified.json() == {"has_password": False}
    assert (await as_stranger.get("/users/me")).status_code == 401
    form = {"username": unverified_ann.email, "password": PASSWORD}
    assert (await client.post("/auth/login", data=form)).status_code == 401
    assert (await client.post("/auth/login", data=form | {"password": "x"})).status_code == 401

    await client.post("/auth/password/forgot", json={"email": unverified_ann.email})
    reset = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=reset)).is_success
    assert (await client.post("/auth/login", data=form | {"password": NEW_PASSWORD})).is_success


@pytest.mark.parametrize("proof", ["session", "password"])
async def test_registrant_keeps_password_and_sessions(
    client: AsyncClient, log_in: LogIn, unverified_ann: User, inbox: Inbox, proof: str
) -> None:
    as_ann = await log_in(unverified_ann)
    await as_ann.post("/auth/email/verify/request")
    body = {"token": inbox.token()}
    if proof == "session":
        verified = await as_ann.post("/auth/email/verify", json=body)
    else:
        wrong = await client.post(
            "/auth/email/verify", json=body | {"current_password": NEW_PASSWORD}
        )
        assert wrong.json()["code"] == "current_password"
        verified = await client.post(
            "/auth/email/verify", json=body | {"current_password": PASSWORD}
        )

    assert verified.json() == {"has_password": True}
    assert (await as_ann.get("/users/me")).json()["is_verified"]


async def test_session_of_another_user_proves_nothing(
    as_root: AsyncClient, log_in: LogIn, unverified_ann: User, inbox: Inbox
) -> None:
    await (await log_in(unverified_ann)).post("/auth/email/verify/request")

    verified = await as_root.post("/auth/email/verify", json={"token": inbox.token()})

    assert verified.json() == {"has_password": False}


async def test_wrong_passwords_of_an_email_token_are_limited(
    client: AsyncClient, log_in: LogIn, unverified_ann: User, inbox: Inbox
) -> None:
    await (await log_in(unverified_ann)).post("/auth/email/verify/request")
    body = {"token": inbox.token(), "current_password": NEW_PASSWORD}

    codes = [(await client.post("/auth/email/verify", json=body)).status_code for _ in range(6)]

    assert codes == [403] * 5 + [429]


async def test_password_that_was_changed_while_it_was_verified_proves_nothing(
    client: AsyncClient,
    unverified_ann: User,
    db: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    db.add(email_token := EmailToken(token_hash=hash_token("t"), user_id=unverified_ann.id))
    email_token.purpose, email_token.email = "verify", unverified_ann.email
    email_token.expires_at = utc_now() + timedelta(minutes=1)
    await db.commit()

    async def change() -> None:
        unverified_ann.hashed_password = passwords.context.hash("Faster1Horse")
        await db.commit()

    while_verifying(monkeypatch, account_service, change)
    body = {"token": "t", "current_password": PASSWORD}

    verified = await client.post("/auth/email/verify", json=body)

    assert verified.json() == {"has_password": False}
