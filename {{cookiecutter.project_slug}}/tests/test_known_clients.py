"""Known clients: exempt from the login rate limit per email."""

from datetime import timedelta

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import background
from app.db.base import utc_now
from app.models import KnownClient
from app.services.known_client_service import KNOWN_CLIENT_TTL
from tests.conftest import ClientFrom, OverrideSettings
from tests.helpers import NEW_PASSWORD, PASSWORD, Inbox

RIGHT = {"username": "ann@example.com", "password": PASSWORD}
WRONG = RIGHT | {"password": "Wrong1Horse"}


async def log_in(client: AsyncClient, form: dict[str, str]) -> int:
    """Attempt to log in, and return the status code."""
    return (await client.post("/auth/login", data=form)).status_code


@pytest.mark.usefixtures("ann")
async def test_known_client_is_remembered_for_90_days_from_its_last_login(
    client_from: ClientFrom, db: AsyncSession
) -> None:
    owner = client_from("203.0.113.9")
    await log_in(owner, RIGHT)
    await db.execute(update(KnownClient).values(expires_at=utc_now() + timedelta(hours=1)))
    await db.commit()
    await log_in(owner, RIGHT)

    expires_at = (await db.scalars(select(KnownClient.expires_at))).one()
    assert timedelta(days=90) == KNOWN_CLIENT_TTL
    assert abs(expires_at - utc_now() - KNOWN_CLIENT_TTL) < timedelta(minutes=1)


@pytest.mark.usefixtures("ann")
async def test_known_client_expires(
    client_from: ClientFrom, db: AsyncSession, override_settings: OverrideSettings
) -> None:
    override_settings(LOGIN_RATE_PER_EMAIL="1/60")
    owner = client_from("203.0.113.9")
    assert await log_in(owner, RIGHT) == 200
    await log_in(client_from("203.0.113.1"), WRONG)  # a stranger uses up the limit
    assert await log_in(owner, RIGHT) == 200

    await db.execute(update(KnownClient).values(expires_at=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert await log_in(owner, RIGHT) == 429


@pytest.mark.usefixtures("ann")
async def test_known_clients_are_stored_as_hashes(
    client_from: ClientFrom, db: AsyncSession
) -> None:
    await log_in(client_from("203.0.113.9"), RIGHT)

    assert [len(key) for key in await db.scalars(select(KnownClient.key))] == [64]


@pytest.mark.usefixtures("ann")
async def test_password_reset_makes_the_client_a_known_one(
    client_from: ClientFrom, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(LOGIN_RATE_PER_EMAIL="1/60")
    owner = client_from("203.0.113.9")
    await owner.post("/auth/password/forgot", json={"email": "ann@example.com"})
    await background.wait_for_all()
    body = {"token": inbox.token(), "new_password": NEW_PASSWORD}
    assert (await owner.post("/auth/password/reset", json=body)).status_code == 204

    await log_in(client_from("203.0.113.1"), WRONG)  # a stranger uses up the limit

    assert await log_in(owner, RIGHT | {"password": NEW_PASSWORD}) == 200
