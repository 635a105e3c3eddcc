"""Security log: who did what to which account, without secrets."""

import hashlib
import logging
import re

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security_log import SecurityEvent
from app.models import User
from app.services.user_service import UserService
from tests.conftest import LogIn, OverrideSettings
from tests.helpers import CONFIRMED, NEW_PASSWORD, NEW_USER, PASSWORD, ROOT, Inbox

FORM = {"username": "ann@example.com", "password": PASSWORD}


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    """Return event, actor, target and reason of each line, and forget the lines."""
    fields = ("event", "actor_id", "target_id", "reason")
    lines = [
        tuple(vars(record)[name] for name in fields)
        for record in caplog.records
        if record.name == "app.security"
    ]
    caplog.clear()
    return lines


async def test_logins_are_logged_with_client_and_hash_of_the_email(
    client: AsyncClient, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    await client.post("/auth/login", data=FORM)
    record = next(record for record in caplog.records if record.name == "app.security")
    hashed = hashlib.sha256(b"ann@example.com").hexdigest()

    assert vars(record).items() >= {"client_ip": "127.0.0.1", "email_hash": hashed}.items()
    assert events(caplog) == [("login_succeeded", None, ann.id, None)]
    await client.post("/auth/login", data=FORM | {"password": NEW_PASSWORD})
    assert events(caplog) == [("login_failed", None, None, "invalid_credentials")]


async def test_rate_limits_are_logged(
    client: AsyncClient,
    ann: User,
    inbox: Inbox,
    override_settings: OverrideSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    del ann, inbox
    caplog.set_level(logging.INFO)
    override_settings(LOGIN_RATE_PER_IP="1/60", EMAIL_RATE_PER_RECIPIENT="1/60")
    wrong = FORM | {"password": NEW_PASSWORD}
    for _ in range(2):
        await client.post("/auth/login", data=wrong)
        await client.post("/auth/password/forgot", json={"email": "ann@example.com"})

    assert events(caplog) == [
        ("login_failed", None, None, "invalid_credentials"),
        ("rate_limited", None, None, "LOGIN_RATE_PER_IP"),
        ("rate_limited", None, None, "EMAIL_RATE_PER_RECIPIENT"),
    ]


async def test_changes_of_accounts_are_logged_with_actor_and_target(
    as_root: AsyncClient, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    root = (await as_root.get("/users/me")).json()["id"]
    events(caplog)
    for change in ({"is_superuser": True}, {"email": "new@example.com"}, {"is_active": False}):
        await as_root.patch(f"/users/{ann.id}", json=change | CONFIRMED)
    await as_root.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD} | CONFIRMED)
    await as_root.delete(f"/users/{ann.id}")

    assert events(caplog) == [
        ("privileges_changed", root, ann.id, None),
        ("email_change_requested", root, ann.id, None),
        ("account_deactivated", root, ann.id, None),
        ("sessions_ended", root, ann.id, None),
        ("password_changed", root, ann.id, None),
        ("sessions_ended", root, ann.id, None),
        ("account_deleted", root, ann.id, None),
    ]


async def test_registration_and_verification_are_logged(
    client: AsyncClient, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    user_id = (await client.post("/users/", json=NEW_USER)).json()["id"]
    body = {"token": inbox.token(), "current_password": NEW_USER["password"]}
    await client.post("/auth/email/verify", json=body)

    assert events(caplog) == [
        ("account_registered", None, user_id, None),
        ("email_verified", None, user_id, None),
    ]


async def test_changes_of_emails_are_logged(
    client: AsyncClient, log_in: LogIn, ann: User, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    as_ann = await log_in(ann)
    await as_ann.patch("/users/me", json={"email": "new@example.com"} | CONFIRMED)
    await as_ann.post("/auth/email/verify", json={"token": inbox.token("new@example.com")})
    await client.post("/auth/email/undo", json={"token": inbox.token("ann@example.com")})

    names = [event[0] for event in events(caplog)]
    assert names[:4] == [
        "email_change_requested",
        "email_changed",
        "sessions_ended",
        "email_verified",
    ]
    assert names[4:] == ["email_change_undone", "password_changed", "sessions_ended"]


async def test_ends_and_replays_of_sessions_are_logged(
    client: AsyncClient, ann: User, log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = (await client.post("/auth/login", data=FORM)).json()
    as_ann = await log_in(ann)
    events(caplog)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    for _ in range(3):  # the second one is a replay, and the third of a session that has ended
        await client.post("/auth/refresh", data=form)
    await as_ann.post("/auth/logout")

    assert events(caplog) == [
        ("replay_detected", None, ann.id, None),
        ("sessions_ended", ann.id, ann.id, None),
    ]


async def test_event_of_a_transaction_that_fails_is_not_logged(
    db: AsyncSession, caplog: pytest.LogCaptureFixture, ann: User
) -> None:
    await UserService(db).set_privileges(ann, is_superuser=True)
    await db.rollback()

    assert events(caplog) == []


def test_readme_lists_every_event() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("The logger `app.security`")[2].partition("\n\n")[0]

    assert set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", section)) >= set(SecurityEvent)
