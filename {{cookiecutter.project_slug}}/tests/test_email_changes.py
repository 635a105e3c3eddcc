"""Email changes: a new email is pending until it is verified, and the old one can undo it."""

from collections import Counter
from datetime import timedelta

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import hash_token
from app.db.base import utc_now
from app.models import EmailToken, User, UserSession
from app.services import account_service
from app.services.email_service import EmailService, Purpose, RedeemedToken
from app.services.user_service import UserService
from tests.conftest import ClientFrom, LogIn, MakeUser, OverrideSettings
from tests.helpers import CONFIRMED, NEW_PASSWORD, NEW_USER, PASSWORD, Inbox, while_verifying

OLD, NEW = "ann@example.com", "new@example.com"
CHANGE = {"email": NEW} | CONFIRMED


async def _verify(client: AsyncClient, inbox: Inbox, email: str = NEW, **body: str) -> int:
    body = {"token": inbox.token(email)} | body
    return (await client.post("/auth/email/verify", json=body)).status_code


async def _undo(client: AsyncClient, token: str) -> int:
    return (await client.post("/auth/email/undo", json={"token": token})).status_code


async def _emails(client: AsyncClient) -> tuple[str, str | None, bool]:
    me = (await client.get("/users/me")).json()
    return me["email"], me["pending_email"], me["is_verified"]


async def test_new_email_takes_effect_when_it_is_verified(
    as_ann: AsyncClient, client: AsyncClient, inbox: Inbox
) -> None:
    await client.post("/auth/password/forgot", json={"email": OLD})
    reset = {"token": inbox.token(), "new_password": NEW_PASSWORD}

    changed = await as_ann.patch("/users/me", json=CHANGE)

    assert (changed.json()["email"], changed.json()["pending_email"]) == (OLD, NEW)
    assert await _emails(as_ann) == (OLD, NEW, True)
    assert await _verify(as_ann, inbox) == 200
    assert await _emails(as_ann) == (NEW, None, True)
    assert (await client.post("/auth/password/reset", json=reset)).status_code == 422
    form = {"username": OLD, "password": PASSWORD}
    assert (await client.post("/auth/login", data=form)).status_code == 401
    assert (await client.post("/auth/login", data=form | {"username": NEW})).is_success


async def test_new_email_ends_the_other_sessions(
    as_ann: AsyncClient, ann: User, log_in: LogIn, inbox: Inbox
) -> None:
    other = await log_in(ann)
    await as_ann.patch("/users/me", json=CHANGE)
    assert (await other.get("/users/me")).is_success

    await _verify(as_ann, inbox)

    assert (await as_ann.get("/users/me")).is_success
    assert (await other.get("/users/me")).status_code == 401


async def test_new_email_requires_a_session_or_the_password_of_the_account(
    as_ann: AsyncClient, as_bob: AsyncClient, client: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)

    for other in (client, as_bob):
        assert await _verify(other, inbox) == 403
    assert await _verify(client, inbox, current_password=NEW_PASSWORD) == 403
    assert await _emails(as_ann) == (OLD, NEW, True)
    assert await _verify(client, inbox, current_password=PASSWORD) == 200
    assert (await as_ann.get("/users/me")).status_code == 401


async def test_session_that_ended_meanwhile_verifies_nothing(
    as_ann: AsyncClient, db: AsyncSession, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    redeem = EmailService.redeem_token

    async def end_session(emails: EmailService, token: str, purpose: Purpose) -> RedeemedToken:
        await db.execute(delete(UserSession))
        await db.commit()
        return await redeem(emails, token, purpose)

    await as_ann.patch("/users/me", json=CHANGE)
    monkeypatch.setattr(EmailService, "redeem_token", end_session)

    assert await _verify(as_ann, inbox) == 401


async def test_new_email_of_an_unverified_account_takes_effect_as_well(
    log_in: LogIn, unverified_ann: User, inbox: Inbox
) -> None:
    as_ann = await log_in(unverified_ann)
    await as_ann.patch("/users/me", json=CHANGE)

    assert [message["To"] for message in inbox.messages] == [NEW]  # no notice to a stranger
    assert await _verify(as_ann, inbox) == 200
    assert await _emails(as_ann) == (NEW, None, True)


async def test_current_email_or_a_newer_one_replaces_the_pending_email(
    as_ann: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await as_ann.patch("/users/me", json={"email": "newer@example.com"} | CONFIRMED)
    assert await _verify(as_ann, inbox) == 422

    await as_ann.patch("/users/me", json={"email": OLD})

    assert await _emails(as_ann) == (OLD, None, True)
    assert await _verify(as_ann, inbox, "newer@example.com") == 422


async def test_request_for_another_email_is_answered_to_the_pending_one(
    as_ann: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    first = inbox.token(NEW)

    await as_ann.post("/auth/email/verify/request")

    assert inbox.token(NEW) != first
    assert await _verify(as_ann, inbox) == 200


async def test_email_of_another_user_cannot_be_taken(
    as_ann: AsyncClient, as_bob: AsyncClient
) -> None:
    taken = await as_ann.patch("/users/me", json={"email": "BOB@example.com"} | CONFIRMED)

    assert taken.json()["code"] == "email_taken"
    assert (await as_bob.get("/users/me")).is_success


async def test_pending_email_that_somebody_else_verified_first_is_taken(
    as_ann: AsyncClient, make_user: MakeUser, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await make_user("new")

    assert await _verify(as_ann, inbox) == 409
    assert await _emails(as_ann) == (OLD, NEW, True)


async def test_email_that_is_taken_at_the_same_moment_is_a_409(
    as_ann: AsyncClient, make_user: MakeUser, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_it_free(*_arguments: object) -> None:
        await make_user("new")

    await as_ann.patch("/users/me", json=CHANGE)
    monkeypatch.setattr(UserService, "ensure_email_is_free", find_it_free)

    assert await _verify(as_ann, inbox) == 409


@pytest.mark.parametrize("is_effective", [False, True])
async def test_old_email_undoes_a_change(
    as_ann: AsyncClient, client: AsyncClient, inbox: Inbox, *, is_effective: bool
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    token, pending = inbox.token(OLD), inbox.token(NEW)
    assert "replaces this one" in inbox.text(OLD)
    if is_effective:
        await _verify(as_ann, inbox)
        await client.post("/auth/password/forgot", json={"email": NEW})
        reset = {"token": inbox.token(NEW), "new_password": NEW_PASSWORD}

    assert await _undo(client, token) == 204

    assert await _undo(client, token) == 422
    assert (await as_ann.get("/users/me")).status_code == 401
    for email in (OLD, NEW):
        form = {"username": email, "password": PASSWORD}
        assert (await client.post("/auth/login", data=form)).status_code == 401
    body = {"token": pending, "current_password": PASSWORD}
    assert (await client.post("/auth/email/verify", json=body)).status_code == 422
    if is_effective:
        assert (await client.post("/auth/password/reset", json=reset)).status_code == 422
    await client.post("/auth/password/forgot", json={"email": OLD})
    reset = {"token": inbox.token(OLD), "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=reset)).is_success
    form = {"username": OLD, "password": NEW_PASSWORD}
    assert (await client.post("/auth/login", data=form)).is_success


async def test_undo_revokes_those_of_later_changes_and_not_those_of_earlier_ones(
    as_ann: AsyncClient, client: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await _verify(as_ann, inbox)
    first = inbox.token(OLD)
    await as_ann.patch("/users/me", json={"email": "newer@example.com"} | CONFIRMED)
    second = inbox.token(NEW)
    await as_ann.patch("/users/me", json={"email": "newest@example.com"} | CONFIRMED)
    third = inbox.token(NEW)

    codes = [await _undo(client, token) for token in (second, third, first, second)]

    assert codes == [204, 422, 204, 422]


@pytest.mark.parametrize("attempt", ["registration", "change"])
async def test_email_that_can_be_given_back_is_taken(
    as_ann: AsyncClient, as_bob: AsyncClient, client: AsyncClient, inbox: Inbox, attempt: str
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await _verify(as_ann, inbox)

    if attempt == "registration":
        taken = await client.post("/users/", json=NEW_USER | {"email": OLD})
    else:
        taken = await as_bob.patch("/users/me", json={"email": OLD} | CONFIRMED)

    assert taken.json()["code"] == "email_taken"
    assert await _undo(client, inbox.token(OLD)) == 204


async def test_owner_changes_back_to_the_old_email(as_ann: AsyncClient, inbox: Inbox) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await _verify(as_ann, inbox)

    await as_ann.patch("/users/me", json={"email": OLD} | CONFIRMED)

    inbox.messages = [message for message in inbox.messages if "Verify" in message["Subject"]]
    assert await _verify(as_ann, inbox, OLD) == 200
    assert await _emails(as_ann) == (OLD, None, True)


async def test_email_is_free_when_the_time_to_undo_is_over(
    as_ann: AsyncClient, client: AsyncClient, db: AsyncSession, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await _verify(as_ann, inbox)
    await db.execute(update(EmailToken).values(expires_at=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert await _undo(client, inbox.token(OLD)) == 422
    assert (await client.post("/users/", json=NEW_USER | {"email": OLD})).is_success


async def test_lifetime_of_an_undo_token_is_a_setting(
    as_ann: AsyncClient, db: AsyncSession, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(UNDO_EXPIRE_HOURS=2, VERIFY_EXPIRE_HOURS=1)
    await as_ann.patch("/users/me", json=CHANGE)

    assert "valid for 2 hours" in inbox.text(OLD)
    token = await db.scalar(
        select(EmailToken).where(EmailToken.token_hash == hash_token(inbox.token(OLD)))
    )
    assert token
    assert timedelta(hours=1.9) < token.expires_at - utc_now() < timedelta(hours=2)


async def test_emails_that_a_stranger_requests_do_not_suppress_a_notice(
    as_ann: AsyncClient, client: AsyncClient, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="1/3600", EMAIL_RATE_PER_IP="1/3600")
    for _ in range(3):
        await client.post("/auth/password/forgot", json={"email": OLD})

    await as_ann.patch("/users/me", json={"email": NEW, "password": NEW_PASSWORD} | CONFIRMED)

    subjects = [message["Subject"].split()[0] for message in inbox.messages]
    assert sorted(subjects) == ["A", "Reset", "Your"]


async def test_email_rate_limit_holds_for_email_changes(
    as_ann: AsyncClient, as_bob: AsyncClient, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="2/3600")
    for _ in range(3):
        for user in (as_ann, as_bob):
            assert (await user.patch("/users/me", json=CHANGE)).is_success

    assert Counter(str(message["To"]) for message in inbox.messages) == {
        NEW: 2,
        OLD: 2,
        "bob@example.com": 2,
    }


async def test_superuser_changes_the_email_of_a_user_who_then_verifies_it(
    as_root: AsyncClient, ann: User, client: AsyncClient, inbox: Inbox
) -> None:
    change = {"email": NEW, "password": NEW_PASSWORD} | CONFIRMED
    assert (await as_root.patch(f"/users/{ann.id}", json=change)).json()["email"] == OLD

    assert await _verify(client, inbox, current_password=NEW_PASSWORD) == 200


async def test_email_change_keeps_the_verification_that_happened_meanwhile(
    log_in: LogIn, unverified_ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify() -> None:
        unverified_ann.is_verified = True
        await db.commit()

    as_ann = await log_in(unverified_ann)
    while_verifying(monkeypatch, account_service, verify)
    await as_ann.patch("/users/me", json=CHANGE)

    assert await _emails(as_ann) == (OLD, NEW, True)


async def test_emails_that_a_client_may_not_send_do_not_use_up_those_of_the_recipient(
    client_from: ClientFrom, ann: User, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="1/60", EMAIL_RATE_PER_IP="1/60")
    stranger, owner = client_from("203.0.113.1"), client_from("203.0.113.2")
    for email in ("nobody@example.com", ann.email, NEW, NEW):
        await stranger.post("/auth/password/forgot", json={"email": email})

    await owner.post("/auth/password/forgot", json={"email": ann.email})
    registered = await client_from("203.0.113.3").post("/users/", json=NEW_USER)

    assert registered.is_success
    assert sorted(message["To"] for message in inbox.messages) == [OLD, NEW]


@pytest.mark.parametrize("recovery", ["reset", "verification", "change"])
async def test_recovery_of_an_account_ends_a_pending_email(
    client: AsyncClient, log_in: LogIn, unverified_ann: User, inbox: Inbox, recovery: str
) -> None:
    as_attacker = await log_in(unverified_ann)
    await as_attacker.patch("/users/me", json=CHANGE)
    pending = {"token": inbox.token(NEW)}
    if recovery == "reset":
        await client.post("/auth/password/forgot", json={"email": OLD})
        reset = {"token": inbox.token(OLD), "new_password": NEW_PASSWORD}
        assert (await client.post("/auth/password/reset", json=reset)).is_success
    elif recovery == "verification":
        await as_attacker.patch("/users/me", json={"email": OLD})
        await as_attacker.post("/auth/email/verify/request")
        await as_attacker.patch("/users/me", json=CHANGE)
        assert await _verify(client, inbox, OLD) == 200
    else:
        await as_attacker.patch("/users/me", json={"password": NEW_PASSWORD} | CONFIRMED)

    as_ann = await log_in(unverified_ann)

    assert (await as_ann.post("/auth/email/verify", json=pending)).status_code == 422
    assert (await _emails(as_ann))[:2] == (OLD, None)


async def test_time_to_undo_begins_when_the_new_email_takes_effect(
    as_ann: AsyncClient, client: AsyncClient, db: AsyncSession, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    over = update(EmailToken).values(expires_at=utc_now() - timedelta(seconds=1))
    await db.execute(over.where(EmailToken.purpose == "undo"))
    await db.commit()

    await _verify(as_ann, inbox)

    assert await _undo(client, inbox.token(OLD)) == 204


async def test_deactivation_does_not_end_the_time_to_undo(
    as_ann: AsyncClient, as_root: AsyncClient, ann: User, client: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await _verify(as_ann, inbox)
    await as_root.patch(f"/users/{ann.id}", json={"is_active": False})

    taken = await client.post("/users/", json=NEW_USER | {"email": OLD})

    assert taken.json()["code"] == "email_taken"
    assert await _undo(client, inbox.token(OLD)) == 204
    assert not (await as_root.get(f"/users/{ann.id}")).json()["is_active"]


async def test_promotion_ends_the_time_to_undo(
    as_ann: AsyncClient, as_root: AsyncClient, ann: User, client: AsyncClient, inbox: Inbox
) -> None:
    await as_ann.patch("/users/me", json=CHANGE)
    await _verify(as_ann, inbox)

    await as_root.patch(f"/users/{ann.id}", json={"is_superuser": True} | CONFIRMED)

    assert await _undo(client, inbox.token(OLD)) == 422
