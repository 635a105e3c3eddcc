"""Rate limits: of logins, registrations, password confirmations and emails."""

from datetime import timedelta
from itertools import pairwise

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import RateLimitedError
from app.db.base import utc_now
from app.models import EmailToken, RateLimitCounter, User
from app.services.rate_limit_service import RateLimit, RateLimiter
from tests.conftest import ClientFrom, LogIn, MakeUser, OverrideSettings
from tests.helpers import CONFIRMED, NEW_PASSWORD, NEW_USER, PASSWORD, Inbox, password

RIGHT = {"username": "ann@example.com", "password": PASSWORD}
WRONG = RIGHT | {"password": "Wrong1Horse"}


async def attempt_logins(client: AsyncClient, form: dict[str, str], times: int = 1) -> list[int]:
    """Attempt to log in, and return the status codes."""
    return [(await client.post("/auth/login", data=form)).status_code for _ in range(times)]


@pytest.mark.usefixtures("ann")
async def test_login_beyond_the_rate_limit_per_ip_and_email_is_429(client: AsyncClient) -> None:
    assert await attempt_logins(client, WRONG, 6) == [401] * 5 + [429]

    response = await client.post("/auth/login", data=RIGHT | {"username": " ANN@example.com"})
    assert response.status_code == 429  # the correct password as well, in any spelling of the email
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_login_rate_limit_counts_unknown_emails_too(client: AsyncClient) -> None:
    assert await attempt_logins(client, WRONG, 6) == [401] * 5 + [429]


@pytest.mark.usefixtures("ann")
async def test_rate_limit_ends_with_its_window(client: AsyncClient, db: AsyncSession) -> None:
    await attempt_logins(client, WRONG, 6)
    await db.execute(update(RateLimitCounter).values(window_end=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert await attempt_logins(client, RIGHT) == [200]


@pytest.mark.usefixtures("ann")
async def test_successful_login_refunds_its_own_attempt_only(client: AsyncClient) -> None:
    assert await attempt_logins(client, WRONG, 4) == [401] * 4
    assert await attempt_logins(client, RIGHT, 10) == [200] * 10
    assert await attempt_logins(client, WRONG, 2) == [401, 429]


async def test_attempt_that_is_refused_does_not_outlast_refunds(db: AsyncSession) -> None:
    limiter, attempt = RateLimiter(db), RateLimit.LOGIN_PER_IP.attempt("203.0.113.1")
    for _ in range(attempt.limit.rate.attempts):
        await limiter.consume(attempt)
    for _ in range(3):
        with pytest.raises(RateLimitedError):
            await limiter.consume(attempt)

    await limiter.refund(attempt)

    await limiter.consume(attempt)


@pytest.mark.usefixtures("ann")
async def test_login_that_one_limit_refuses_does_not_count_for_another(
    client: AsyncClient, override_settings: OverrideSettings
) -> None:
    override_settings(LOGIN_RATE_PER_IP="1/60")
    await attempt_logins(client, WRONG | {"username": "bob@example.com"})
    assert await attempt_logins(client, RIGHT, 6) == [429] * 6

    override_settings(LOGIN_RATE_PER_IP="99/60")

    assert await attempt_logins(client, RIGHT) == [200]


@pytest.mark.usefixtures("ann")
async def test_failed_logins_from_other_client_ips_do_not_lock_out_the_owner(
    client_from: ClientFrom,
) -> None:
    await attempt_logins(client_from("203.0.113.1"), WRONG, 10)

    assert await attempt_logins(client_from("203.0.113.2"), RIGHT) == [200]


@pytest.mark.usefixtures("ann")
async def test_login_rate_limit_per_email_does_not_apply_to_known_clients(
    client_from: ClientFrom, override_settings: OverrideSettings
) -> None:
    override_settings(LOGIN_RATE_PER_EMAIL="3/60")
    assert await attempt_logins(client_from("203.0.113.9"), RIGHT) == [200]  # now a known client

    attempts = [await attempt_logins(client_from(f"203.0.113.{n}"), WRONG) for n in range(5)]

    assert attempts == [[401], [401], [401], [429], [429]]
    assert await attempt_logins(client_from("203.0.113.9"), RIGHT) == [200]


async def test_login_rate_limit_per_ip_stops_password_spraying(
    client_from: ClientFrom, override_settings: OverrideSettings
) -> None:
    override_settings(LOGIN_RATE_PER_IP="3/60")
    names = [WRONG | {"username": f"user{n}@example.com"} for n in range(5)]

    codes = [
        await attempt_logins(client_from(f"2001:db8::{n}"), name) for n, name in enumerate(names)
    ]

    assert codes == [[401], [401], [401], [429], [429]]
    assert await attempt_logins(client_from("2001:db8:0:1::1"), names[0]) == [
        401
    ]  # another /64 network


async def test_registration_beyond_the_rate_limit_is_429(
    client: AsyncClient, override_settings: OverrideSettings
) -> None:
    override_settings(REGISTRATION_RATE_PER_IP="2/60")
    people = [NEW_USER | {"email": f"p{n}@example.com", "password": PASSWORD} for n in range(3)]

    codes = [(await client.post("/users/", json=person)).status_code for person in people]

    assert codes == [201, 201, 429]


async def test_requested_emails_beyond_the_rate_limits_are_not_sent(
    client: AsyncClient, as_ann: AsyncClient, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="2/60", EMAIL_RATE_PER_IP="4/60")
    body = {"email": "ann@example.com"}

    codes = [(await client.post("/auth/password/forgot", json=body)).status_code for _ in range(3)]
    codes.append((await as_ann.post("/auth/email/verify/request")).status_code)
    for number in range(3):
        body = {"email": f"x{number}@example.com"}
        codes.append((await client.post("/auth/password/forgot", json=body)).status_code)

    assert codes == [202] * 7
    assert len(inbox.messages) == 2


async def test_email_rate_limit_per_ip_counts_all_kinds_of_email(
    client: AsyncClient, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_IP="3/60", REGISTRATION_RATE_PER_IP="99/60")
    codes = [
        (
            await client.post("/users/", json=NEW_USER | {"email": f"stranger{n}@example.com"})
        ).status_code
        for n in range(6)
    ]

    assert codes == [201] * 6
    assert len(inbox.messages) == 3


async def test_wrong_current_password_beyond_the_rate_limit_is_429(as_ann: AsyncClient) -> None:
    guess = {"email": "new@example.com", "current_password": "Wrong1Horse"}

    codes = [(await as_ann.patch("/users/me", json=guess)).status_code for _ in range(6)]

    assert codes == [403] * 5 + [429]


@pytest.mark.usefixtures("ann")
async def test_rate_limit_counters_contain_hashes_only(
    client: AsyncClient, db: AsyncSession
) -> None:
    await attempt_logins(client, WRONG)

    keys = list(await db.scalars(select(RateLimitCounter.key)))
    assert keys
    assert all(len(key) == 64 for key in keys)


async def test_rate_limit_window_is_not_extended_by_further_attempts(
    client: AsyncClient, db: AsyncSession
) -> None:
    await attempt_logins(client, WRONG)
    first = set(await db.scalars(select(RateLimitCounter.window_end)))
    await attempt_logins(client, WRONG)

    assert set(await db.scalars(select(RateLimitCounter.window_end))) == first


async def test_registration_rate_limit_is_per_client_ip(
    client_from: ClientFrom, override_settings: OverrideSettings
) -> None:
    override_settings(REGISTRATION_RATE_PER_IP="1/60")

    codes: list[int] = []
    for number in (1, 1, 2):
        person = NEW_USER | {"email": f"p{len(codes)}@example.com", "password": PASSWORD}
        client = client_from(f"203.0.113.{number}")
        codes.append((await client.post("/users/", json=person)).status_code)

    assert codes == [201, 429, 201]


async def test_email_rate_limit_holds_for_repeated_registrations(
    client: AsyncClient, db: AsyncSession, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="2/60")
    person = NEW_USER | {"email": "victim@example.com", "password": PASSWORD}

    tokens = []
    for _ in range(3):
        assert (await client.post("/users/", json=person)).status_code == 201
        tokens.append(await db.scalar(select(func.count()).select_from(EmailToken)))
        await db.execute(delete(User))
        await db.commit()

    assert tokens == [1, 1, 0]


async def test_failed_registration_does_not_consume_the_email_rate_limit(
    client: AsyncClient, ann: User, db: AsyncSession, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="1/60")
    person = NEW_USER | {"email": ann.email, "password": PASSWORD}

    assert (await client.post("/users/", json=person)).status_code == 409
    await db.delete(ann)
    await db.commit()

    assert (await client.post("/users/", json=person)).status_code == 201
    assert await db.scalar(select(func.count()).select_from(EmailToken)) == 1


async def test_rejected_email_change_does_not_consume_the_email_rate_limit(
    as_ann: AsyncClient, client: AsyncClient, db: AsyncSession, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="2/60")
    person = NEW_USER | {"email": "bob@example.com", "password": PASSWORD}

    for email in ("new@example.com", "new@example.com", *["bob@example.com"] * 3):
        await as_ann.patch("/users/me", json={"email": email})

    assert (await client.post("/users/", json=person)).status_code == 201
    assert await db.scalar(select(func.count()).select_from(EmailToken)) == 1


async def test_refund_never_goes_below_zero(
    db: AsyncSession, override_settings: OverrideSettings
) -> None:
    limiter, attempt = RateLimiter(db), RateLimit.LOGIN_PER_IP.attempt("203.0.113.1")
    override_settings(LOGIN_RATE_PER_IP="1/60")
    await limiter.consume(attempt)
    await limiter.refund(attempt)
    await limiter.refund(attempt)
    await limiter.consume(attempt)

    with pytest.raises(RateLimitedError):
        await limiter.consume(attempt)


async def test_login_rate_limit_counts_inactive_users(
    client: AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ann", is_active=False)

    assert await attempt_logins(client, RIGHT, 6) == [403] * 5 + [429]


async def test_email_change_beyond_the_rate_limit_is_429(
    as_ann: AsyncClient, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_CHANGE_RATE_PER_USER="2/60")
    codes = []
    for number in range(3):
        body = {"email": f"new{number}@example.com", "current_password": PASSWORD}
        codes.append((await as_ann.patch("/users/me", json=body)).status_code)

    assert codes == [200, 200, 429]


async def test_correct_current_password_refunds_its_attempt(as_ann: AsyncClient) -> None:
    passwords = [PASSWORD, *(password(f"Another{n}-Horse") for n in range(7))]
    pairs = [{"current_password": a, "password": b} for a, b in pairwise(passwords)]
    codes = []
    for body in pairs:
        codes.append((await as_ann.patch("/users/me", json=body)).status_code)
        form = {"username": "ann@example.com", "password": body["password"]}
        token = (await as_ann.post("/auth/login", data=form)).json()["access_token"]
        as_ann.headers["Authorization"] = f"Bearer {token}"

    assert codes == [200] * 7


async def test_password_confirmation_rate_limit_is_per_user(
    as_ann: AsyncClient, as_bob: AsyncClient
) -> None:
    wrong = {"email": "new@example.com", "current_password": "Wrong1Horse"}
    for _ in range(6):
        await as_ann.patch("/users/me", json=wrong)

    right = {"password": NEW_PASSWORD, "current_password": PASSWORD}
    assert (await as_bob.patch("/users/me", json=right)).is_success


async def test_email_rate_limit_per_recipient_counts_all_kinds_of_email(
    client: AsyncClient,
    as_root: AsyncClient,
    inbox: Inbox,
    override_settings: OverrideSettings,
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="3/3600")
    person = NEW_USER | {"email": "victim@example.com", "password": PASSWORD}
    created = await client.post("/users/", json=person)
    path = f"/users/{created.json()['id']}"
    for number in range(5):
        body = {"password": password(f"Another{number}-Horse")} | CONFIRMED
        changed = await as_root.patch(path, json=body)
        assert changed.status_code == 200
        await client.post("/auth/password/forgot", json={"email": person["email"]})

    body = {"email": "other@example.com"} | CONFIRMED
    assert (await as_root.patch(path, json=body)).status_code == 200
    recipients = [message["To"] for message in inbox.messages]
    assert recipients.count(person["email"]) == 3
    assert recipients.count("other@example.com") == 1


async def test_notices_of_one_kind_are_limited_and_those_of_another_are_sent(
    as_root: AsyncClient, ann: User, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_RECIPIENT="2/3600")
    changes = [{"password": password(f"Another{number}-Horse")} for number in range(4)]
    for change in [*changes, {"email": "second@example.com"}]:
        changed = await as_root.patch(f"/users/{ann.id}", json=change | CONFIRMED)
        assert changed.status_code == 200

    recipients = [message["To"] for message in inbox.messages]
    assert sorted(recipients) == ["ann@example.com"] * 3 + ["second@example.com"]


async def test_consumed_attempts_stay_counted_when_the_request_fails(db: AsyncSession) -> None:
    attempt = RateLimit.LOGIN_PER_IP.attempt("203.0.113.1")
    await RateLimiter(db).consume(attempt)
    await db.rollback()

    counted = select(RateLimitCounter.attempts).where(RateLimitCounter.key == attempt.key)
    assert await db.scalar(counted) == 1


def test_rate_limits_of_different_names_or_subjects_have_different_counters() -> None:
    keys = {limit.attempt("x").key for limit in RateLimit}

    assert len(keys) == len(RateLimit)
    assert RateLimit.LOGIN_PER_IP.attempt("y").key not in keys


async def test_correct_current_password_is_refunded_although_the_change_is_rejected(
    as_ann: AsyncClient, as_bob: AsyncClient
) -> None:
    assert (await as_bob.get("/users/me")).is_success
    taken = {"email": "bob@example.com", "current_password": PASSWORD}
    codes = [(await as_ann.patch("/users/me", json=taken)).status_code for _ in range(5)]

    changed = {"password": NEW_PASSWORD, "current_password": PASSWORD}
    assert codes == [409] * 5
    assert (await as_ann.patch("/users/me", json=changed)).status_code == 200


async def test_verification_request_of_a_verified_user_does_not_consume_the_email_rate_limit(
    make_user: MakeUser, log_in: LogIn, client: AsyncClient, inbox: Inbox
) -> None:
    as_verified = await log_in(await make_user("verified", is_verified=True))
    for _ in range(6):
        assert (await as_verified.post("/auth/email/verify/request")).status_code == 202

    forgot = await client.post("/auth/password/forgot", json={"email": "verified@example.com"})
    assert forgot.status_code == 202
    assert len(inbox.messages) == 1
    inbox.token()


async def test_email_rate_limit_per_ip_is_that_of_a_client_ip(
    client_from: ClientFrom, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(EMAIL_RATE_PER_IP="1/3600")
    for number in (1, 1, 2):
        person = NEW_USER | {"email": f"p{len(inbox.messages)}{number}@example.com"}
        await client_from(f"203.0.113.{number}").post("/users/", json=person)

    assert len(inbox.messages) == 2


async def test_counters_of_requested_emails_do_not_grow_with_the_emails_that_nobody_has(
    client: AsyncClient, db: AsyncSession
) -> None:
    for number in range(5):
        await client.post("/auth/password/forgot", json={"email": f"x{number}@example.com"})

    assert await db.scalar(select(func.count()).select_from(RateLimitCounter)) == 1
