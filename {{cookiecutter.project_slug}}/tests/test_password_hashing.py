"""Password hashing: Argon2id, in a thread, without holding a database connection."""

import asyncio
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from datetime import timedelta

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import passwords
from app.core.exceptions import OverloadedError
from app.core.security import hash_token
from app.core.security_log import client_ip
from app.db import session as session_module
from app.db.base import utc_now
from app.db.session import async_session_factory
from app.models import EmailToken, User
from tests.conftest import HASHED, REAL_DUMMY_HASH, ClientFrom
from tests.helpers import NEW_PASSWORD, NEW_USER, PASSWORD, password

# On macOS a priority belongs to the process, and Windows has no such call.
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="Only Linux has a priority for each thread."
)
WRONG = {"username": "ann@example.com", "password": "Wrong1Horse"}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return, for each hashed password, whether a connection was held meanwhile."""
    sessions: list[AsyncSession] = []
    held: list[bool] = []
    in_thread = passwords._in_thread  # noqa: SLF001 - every hash goes through it

    def make_session() -> AsyncSession:
        sessions.append(async_session_factory())
        return sessions[-1]

    async def spy(work: Callable[[], object]) -> object:
        held.append(any(session.in_transaction() for session in sessions))
        return await in_thread(work)

    monkeypatch.setattr(session_module, "async_session_factory", make_session)
    monkeypatch.setattr(passwords, "_in_thread", spy)
    return held


async def test_password_hash_is_salted_argon2id() -> None:
    one, two = [await passwords.hash_password(PASSWORD) for _ in range(2)]

    assert one.startswith("$argon2id$")
    assert one != two


def test_argon2_parameters_are_the_minimum_of_owasp() -> None:
    assert "m=19456,t=2,p=1" in REAL_DUMMY_HASH  # made before the tests reduced the cost


async def test_password_is_normalized_to_nfc_before_hashing() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Pässword1") for form in ("NFC", "NFD"))

    assert (await passwords.verify_password(decomposed, await passwords.hash_password(composed)))[0]


async def test_password_is_not_normalized_to_nfkc() -> None:
    hashed = await passwords.hash_password("①Password1")

    assert not (await passwords.verify_password("1Password1", hashed)).is_correct


async def test_password_verification_without_a_user_fails() -> None:
    assert await passwords.verify_password(PASSWORD, None) == (False, None)


async def test_event_loop_runs_while_passwords_are_hashed() -> None:
    hashing = asyncio.gather(*(passwords.verify_password("x", REAL_DUMMY_HASH) for _ in range(5)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 100  # a loop that is blocked by five hashes takes about five


async def test_passwords_are_hashed_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_no_database_connection_is_held_while_a_password_is_hashed(
    as_bob: AsyncClient, as_root: AsyncClient, ann: User, db: AsyncSession, held: list[bool]
) -> None:
    link = EmailToken(token_hash=hash_token("x"), user_id=ann.id, purpose="reset", email=ann.email)
    link.expires_at = utc_now() + timedelta(minutes=1)
    db.add(link)
    await db.commit()
    new = NEW_USER | {"email": "new@example.com", "password": NEW_PASSWORD}
    confirmed = {"current_password": PASSWORD}

    requests = [
        as_bob.post("/users/", json=new),
        as_bob.post("/auth/login", data={"username": ann.email, "password": PASSWORD}),
        as_bob.post("/auth/password/reset", json={"token": "x", "new_password": NEW_PASSWORD}),
        as_bob.patch("/users/me", json=confirmed | {"password": password("Another2-Horse")}),
        as_root.patch(
            f"/users/{ann.id}", json=confirmed | {"password": password("Another3-Horse")}
        ),
    ]
    codes = [(await request).status_code for request in requests]

    assert codes == [201, 200, 204, 200, 200]
    assert held == [False] * 7


async def test_login_is_503_when_the_hash_queue_is_full(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.passwords.MAX_QUEUE_LENGTH_PER_CLIENT", 0)

    response = await client.post("/auth/login", data=WRONG)

    assert response.status_code == 503
    assert response.headers["Retry-After"]


async def test_full_hash_queue_does_not_consume_the_rate_limit(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr("app.core.passwords.MAX_QUEUE_LENGTH_PER_CLIENT", 0)
        for _ in range(6):
            assert (await client.post("/auth/login", data=WRONG)).status_code == 503

    assert (await client.post("/auth/login", data=WRONG)).status_code == 401


async def test_hash_queue_is_full_when_as_many_passwords_wait_except_for_other_clients(
    client: AsyncClient, client_from: ClientFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_QUEUE_LENGTH", 2)
    monkeypatch.setattr(passwords, "_verify", lambda *_: time.sleep(0.05))
    client_ip.set("127.0.0.1")
    waiting = [asyncio.create_task(passwords.verify_password("x", HASHED)) for _ in range(2)]
    await asyncio.sleep(0)

    assert (await client.post("/auth/login", data=WRONG)).status_code == 503
    assert (await client_from("203.0.113.1").post("/auth/login", data=WRONG)).status_code == 401
    await asyncio.gather(*waiting)
    monkeypatch.undo()
    assert (await client.post("/auth/login", data=WRONG)).status_code == 401


async def test_password_longer_than_passlib_accepts_is_not_correct() -> None:
    assert not (await passwords.verify_password("x" * 4097, HASHED)).is_correct


@pytest.mark.parametrize("client", ["203.0.113.1", "2001:db8:1:{}::/64"])
async def test_one_client_cannot_fill_the_hash_queue_and_clients_take_turns(client: str) -> None:
    done: list[str] = []

    async def hash_from(ip: str) -> bool:
        client_ip.set(ip)
        try:
            await passwords.hash_password(PASSWORD)
        except OverloadedError:
            return False
        done.append(ip)
        return True

    results = await asyncio.gather(
        *(asyncio.create_task(hash_from(client.format(n))) for n in range(70)),
        *(asyncio.create_task(hash_from(f"198.51.100.{n}")) for n in range(9)),
    )

    assert results == [True] * 64 + [False] * 6 + [True] * 9
    assert len([ip for ip in done[:10] if ip[:7] != "198.51."]) < 3  # although it came first
    assert not passwords._waiting  # noqa: SLF001 - nothing is left


@linux_only
async def test_thread_that_hashes_has_a_lower_priority_than_the_event_loop() -> None:
    await passwords.verify_password(PASSWORD, REAL_DUMMY_HASH)

    (thread,) = (found for found in threading.enumerate() if found.name.startswith("passwords"))
    own, others = (
        os.getpriority(os.PRIO_PROCESS, native_id or 0)
        for native_id in (thread.native_id, threading.main_thread().native_id)
    )
    assert own == min(others + passwords.NICENESS, 19)


@linux_only
def test_priority_that_cannot_be_lowered_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbid)
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    passwords.lower_priority()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
