"""Email verification: after registration, on request, and after a change of the email."""

import pytest
from httpx2 import AsyncClient

from app.config import settings
from tests.helpers import NEW_PASSWORD, NEW_USER, PASSWORD, Inbox


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

    body = {"token": inbox.token()}
    assert (await client.post("/auth/email/verify", json=body)).status_code == 204
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

    assert codes == [204, 422]


async def test_email_change_notifies_the_old_email_and_verifies_the_new_one(
    client: AsyncClient, as_ann: AsyncClient, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json={"email": "ann@example.com"})
    old = inbox.token()
    body = {"email": "ann@new.example.com", "current_password": PASSWORD}
    assert not (await as_ann.patch("/users/me", json=body)).json()["is_verified"]

    notice, verification = sorted(inbox.messages[-2:], key=lambda message: str(message["To"]))
    recipients = (notice["To"], verification["To"])
    assert recipients == ("ann@example.com", "ann@new.example.com")
    inbox.messages.append(verification)
    assert "was changed" in str(notice.get_body(("plain",)))
    assert (await client.post("/auth/email/verify", json={"token": inbox.token()})).is_success
    body = {"token": old, "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422
