"""How passwords are hashed."""

import asyncio
import unicodedata

from app.core import passwords
from tests.conftest import PASSWORD, REAL_DUMMY


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
