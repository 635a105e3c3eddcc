"""Password reset by email."""

import time
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.db.base import utc_now
from app.models import EmailToken, User
from app.services import account_service
from app.services.email_service import EmailService
from app.services.known_client_service import KnownClients
from tests.conftest import REAL_EMAIL_DELAY_SECONDS, ClientFrom, LogIn, OverrideSettings
from tests.helpers import CONFIRMED, NEW_PASSWORD, Inbox, password

EMAIL = {"email": "ann@example.com"}
SECOND = timedelta(seconds=1)


async def test_password_reset_changes_the_password_and_ends_all_sessions(
    client: AsyncClient, as_ann: AsyncClient, inbox: Inbox
) -> None:
    response = await client.post("/auth/password/forgot", json=EMAIL)
    assert response.status_code == 202
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}

    assert (await client.post("/auth/password/reset", json=body)).status_code == 204

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422
    assert inbox.messages[-1]["Subject"].endswith("password was changed")
    form = {"username": EMAIL["email"], "password": NEW_PASSWORD}
    assert (await client.post("/auth/login", data=form)).is_success


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("new_password", ["weak", "Password1", "Fastapi Project1"])
async def test_password_reset_enforces_the_policy_and_keeps_the_token(
    client: AsyncClient, inbox: Inbox, new_password: str
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": new_password}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422

    body["new_password"] = NEW_PASSWORD
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204


async def test_password_reset_request_does_not_reveal_who_is_registered(
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


@pytest.mark.usefixtures("unverified_ann")
async def test_email_token_works_for_its_own_purpose_only(
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
async def test_expired_reset_token_is_rejected(
    client: AsyncClient, db: AsyncSession, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    await db.execute(update(EmailToken).values(expires_at=utc_now() - timedelta(seconds=1)))
    await db.commit()

    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422


@pytest.mark.usefixtures("ann")
async def test_email_token_is_stored_as_a_hash(
    client: AsyncClient, db: AsyncSession, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)

    stored = (await db.scalars(select(EmailToken.token_hash))).one()
    assert len(stored) == 64
    assert inbox.token() != stored


@pytest.mark.usefixtures("unverified_ann")
async def test_email_token_lifetimes_follow_the_settings(
    client: AsyncClient,
    as_ann: AsyncClient,
    db: AsyncSession,
    inbox: Inbox,
    override_settings: OverrideSettings,
) -> None:
    override_settings(RESET_EXPIRE_MINUTES=70, VERIFY_EXPIRE_HOURS=3)
    await client.post("/auth/password/forgot", json=EMAIL)
    assert f"{settings.FRONTEND_URL}/reset?token=" in inbox.text()
    assert "valid for 70 minutes" in inbox.text()
    await as_ann.post("/auth/email/verify/request")
    assert "valid for 3 hours" in inbox.text()

    tokens = await db.scalars(select(EmailToken))
    lifetimes = {token.purpose: token.expires_at - token.created_at for token in tokens}
    assert abs(lifetimes["reset"] - timedelta(minutes=70)) < SECOND
    assert abs(lifetimes["verify"] - timedelta(hours=3)) < SECOND


async def test_password_change_revokes_reset_tokens_and_a_reset_verifies_the_email(
    client: AsyncClient, as_root: AsyncClient, ann: User, db: AsyncSession, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    changed = {"password": password("Different1-Horse")} | CONFIRMED
    assert (await as_root.patch(f"/users/{ann.id}", json=changed)).is_success
    assert (await client.post("/auth/password/reset", json=body)).status_code == 422

    await client.post("/auth/password/forgot", json=EMAIL)
    body["token"] = inbox.token()
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204
    await db.refresh(ann)
    assert ann.is_verified


async def test_reset_token_of_a_deactivated_user_is_rejected(
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
async def test_unknown_body_field_is_rejected(
    client: AsyncClient, path: str, body: dict[str, str]
) -> None:
    response = await client.post(path, json=body | {"is_superuser": True})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "is_superuser"]


async def test_only_one_of_concurrent_uses_of_a_reset_token_succeeds(
    client: AsyncClient, ann: User, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_user_by_token = EmailService.get_user_by_token

    async def get_and_lose(emails: EmailService, *arguments: Any, lock: bool = False) -> User:  # noqa: ANN401 - passed on
        user = await get_user_by_token(emails, *arguments, lock=lock)
        if lock:  # a concurrent request was faster
            await emails.db.execute(delete(EmailToken))
        return user

    monkeypatch.setattr(EmailService, "get_user_by_token", get_and_lose)
    await client.post("/auth/password/forgot", json={"email": ann.email})
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}

    assert (await client.post("/auth/password/reset", json=body)).status_code == 422


def test_requested_email_is_delayed_at_random_so_that_timing_reveals_nothing() -> None:
    assert REAL_EMAIL_DELAY_SECONDS == (0.5, 2.0)


async def test_another_request_does_not_revoke_the_tokens_of_earlier_ones(
    client: AsyncClient, ann: User, inbox: Inbox
) -> None:
    del ann
    await client.post("/auth/password/forgot", json=EMAIL)
    mine = inbox.token()
    for _ in range(9):  # by a stranger
        assert (await client.post("/auth/password/forgot", json=EMAIL)).status_code == 202

    body = {"token": mine, "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204
    assert len(inbox.messages) < 7


@pytest.mark.parametrize("change", ["is_active", "email"])
async def test_reset_token_dies_when_email_or_active_state_change_even_for_a_moment(
    as_root: AsyncClient, log_in: LogIn, ann: User, inbox: Inbox, change: str
) -> None:
    await as_root.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    if change == "is_active":
        for is_active in (False, True):
            changed = await as_root.patch(f"/users/{ann.id}", json={"is_active": is_active})
            assert changed.is_success
    else:
        as_ann = await log_in(ann)
        for email in ("other@example.com", ann.email):
            await as_ann.patch("/users/me", json={"email": email} | CONFIRMED)
            verification = {"token": inbox.token(email)}
            assert (await as_ann.post("/auth/email/verify", json=verification)).is_success

    assert (await as_root.post("/auth/password/reset", json=body)).status_code == 422


async def test_reset_forgets_the_attempts_that_led_to_it_and_the_clients_of_former_owners(
    client: AsyncClient, ann: User, inbox: Inbox, db: AsyncSession
) -> None:
    await KnownClients(db).add(ann.email, "203.0.113.9")  # a former owner of the email
    await db.commit()
    wrong = {"username": ann.email, "password": NEW_PASSWORD}
    codes = [(await client.post("/auth/login", data=wrong)).status_code for _ in range(6)]
    assert codes[-1] == 429

    await client.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204

    assert (await client.post("/auth/login", data=wrong)).is_success  # it is right now
    assert not await KnownClients(db).contains(ann.email, "203.0.113.9")


async def test_notices_go_to_verified_emails_only(
    as_ann: AsyncClient, unverified_ann: User, inbox: Inbox
) -> None:
    del unverified_ann
    body = {"password": NEW_PASSWORD} | CONFIRMED

    assert (await as_ann.patch("/users/me", json=body)).is_success

    assert inbox.messages == []


async def test_reset_works_from_everywhere_after_the_login_rate_limit_per_email(
    client_from: ClientFrom, ann: User, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(LOGIN_RATE_PER_EMAIL="2/3600")
    wrong = {"username": ann.email, "password": NEW_PASSWORD}
    for number in range(3):
        await client_from(f"198.51.100.{number}").post("/auth/login", data=wrong)
    owner = client_from("203.0.113.1")
    assert (await owner.post("/auth/login", data=wrong)).status_code == 429

    await owner.post("/auth/password/forgot", json=EMAIL)
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await owner.post("/auth/password/reset", json=body)).is_success

    assert f"{settings.FRONTEND_URL}/forgot" in inbox.text()  # of the notice
    assert (await client_from("203.0.113.2").post("/auth/login", data=wrong)).is_success


async def test_reset_email_waits_for_the_delay(
    client: AsyncClient, ann: User, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_service, "EMAIL_DELAY_SECONDS", (0.2, 0.2))
    start = time.perf_counter()

    await client.post("/auth/password/forgot", json={"email": ann.email})

    assert inbox.messages
    assert time.perf_counter() - start > 0.2
