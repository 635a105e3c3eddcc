"""How passwords are hashed."""

import asyncio
import time
import unicodedata
from collections.abc import Callable
from datetime import timedelta

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import passwords
from app.core.secrets import fingerprint
from app.db import session as session_module
from app.db.base import utc_now
from app.db.session import async_session_factory
from app.models import MailToken, User
from tests.conftest import HASHED, PASSWORD, REAL_DUMMY


async def test_a_hash_is_argon2id_and_salted() -> None:
    one, two = [await passwords.hash_password("Correct1Horse") for _ in range(2)]

    assert one.startswith("$argon2id$")
    assert one != two


def test_the_default_cost_is_what_owasp_asks_for() -> None:
    assert "m=19456,t=2,p=1" in REAL_DUMMY  # made before the tests made hashing cheap


async def test_an_accent_may_be_typed_in_either_way() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Pässword1") for form in ("NFC", "NFD"))

    assert (await passwords.verify_password(decomposed, await passwords.hash_password(composed)))[0]


async def test_compatible_characters_stay_different() -> None:
    hashed = await passwords.hash_password("①Password1")

    assert not (await passwords.verify_password("1Password1", hashed)).right


async def test_nobody_has_a_password() -> None:
    assert await passwords.verify_password(PASSWORD, None) == (False, None)


async def test_the_event_loop_runs_while_passwords_are_hashed() -> None:
    hashing = asyncio.gather(*(passwords.verify_password("x", REAL_DUMMY) for _ in range(5)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 100  # a loop that is blocked by five hashes takes about five


async def test_passwords_are_hashed_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0

    def work() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.005)
        at_once -= 1

    monkeypatch.setattr(passwords, "_verify", lambda *_: work())
    await asyncio.gather(*(passwords.verify_password("x", HASHED) for _ in range(4)))

    assert most == 1


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return whether the service held a connection, for each password that was hashed."""
    sessions: list[AsyncSession] = []
    lent: list[bool] = []
    in_thread = passwords._in_thread  # noqa: SLF001 - every hash goes through it

    def make_session() -> AsyncSession:
        sessions.append(async_session_factory())
        return sessions[-1]

    async def spy(work: Callable[[], object]) -> object:
        lent.append(any(session.in_transaction() for session in sessions))
        return await in_thread(work)

    monkeypatch.setattr(session_module, "async_session_factory", make_session)
    monkeypatch.setattr(passwords, "_in_thread", spy)
    return lent


async def test_no_connection_is_held_while_a_password_is_hashed(
    as_bob: AsyncClient, as_root: AsyncClient, ann: User, db: AsyncSession, lent: list[bool]
) -> None:
    link = MailToken(token_hash=fingerprint("x"), user_id=ann.id, purpose="reset", email=ann.email)
    link.expires_at = utc_now() + timedelta(minutes=1)
    db.add(link)
    await db.commit()
    new = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
    confirmed = {"current_password": PASSWORD}

    requests = [
        as_bob.post("/users/", json=new),
        as_bob.post("/auth/login", data={"username": ann.email, "password": PASSWORD}),
        as_bob.post("/auth/password/reset", json={"token": "x", "new_password": "Another1Horse"}),
        as_bob.patch("/users/me", json=confirmed | {"password": "Another2Horse"}),
        as_root.patch(f"/users/{ann.id}", json={"password": "Another3Horse"}),
    ]
    codes = [(await request).status_code for request in requests]

    assert codes == [201, 200, 204, 200, 200]
    assert lent == [False] * 6
