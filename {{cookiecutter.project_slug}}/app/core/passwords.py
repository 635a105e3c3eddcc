"""Hashes of passwords: Argon2id, and older bcrypt ones until their owner logs in again."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from passlib.context import CryptContext  # from libpass, the maintained distribution

from app.core.exceptions import BusyError

Result = TypeVar("Result")

LONGEST = 200  # characters; no policy admits more, so a longer one is wrong whatever it is
BCRYPT_BYTES = 72  # all that bcrypt reads

# Argon2id at the least cost that OWASP's Password Storage Cheat Sheet allows: 19 MiB, 2 passes.
context = CryptContext(
    schemes=["argon2", "bcrypt"],
    deprecated=["bcrypt"],
    argon2__type="ID",
    argon2__memory_cost=19 * 1024,  # KiB
    argon2__time_cost=2,
    argon2__parallelism=1,
)
DUMMY = context.hash("the password of nobody")

COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text().split())
SHORTEST_HINT = 4  # characters; shorter words occur in good passwords by chance
LONGEST_QUEUE = 64  # passwords; at 20 ms each the last one waits a second

# One thread: more would only take turns with the event loop, and each takes 19 MiB.
_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")


_waiting = 0


class Verdict(NamedTuple):
    """Whether a password is right, and the better hash to store if the old one is outdated."""

    right: bool
    new_hash: str | None


def check_queue() -> None:
    """Return if a password can be checked soon.

    Raises:
        BusyError: if too many wait already.
    """
    if _waiting >= LONGEST_QUEUE:
        raise BusyError


async def hash_password(password: str) -> str:
    """Return the hash to store."""
    return await _in_thread(lambda: context.hash(_normalise(password)))


async def verify_password(password: str, hashed: str | None) -> Verdict:
    """Compare a password with a hash. With `None`, nobody's, it takes as long and is wrong."""
    verdict = await _in_thread(lambda: _verify(password, hashed or DUMMY))
    return verdict if hashed else Verdict(right=False, new_hash=None)


def is_common(password: str) -> bool:
    """Tell whether the password is among the first that anybody would try."""
    return password.lower() in COMMON


def contains_any(password: str, *hints: str) -> bool:
    """Tell whether the password contains one of the words that are known about its owner."""
    words = [folded for hint in hints if len(folded := _fold(hint)) >= SHORTEST_HINT]
    return any(word in _fold(password) for word in words)


def is_text(password: str) -> bool:
    """Tell whether it can be stored and sent: no control characters, no lone surrogates."""
    return all(unicodedata.category(character) not in {"Cc", "Cs"} for character in password)


def _fold(text: str) -> str:
    """Leave out all that does not make a word another one."""
    spelled = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalnum, spelled))


def _verify(password: str, hashed: str) -> Verdict:
    usable = len(password) <= LONGEST and is_text(password)
    secret = _normalise(password) if usable else ""
    if context.identify(hashed) == "bcrypt":
        truncated = secret.encode()[:BCRYPT_BYTES]  # as when the hash was made
        right = context.verify(truncated, hashed)
        return Verdict(right, context.hash(secret) if right else None)
    return Verdict(*context.verify_and_update(secret, hashed))


def _normalise(password: str) -> str:
    """Spell it one way, as NIST SP 800-63B asks: keyboards differ in how they send an accent."""
    return unicodedata.normalize("NFC", password)


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Keep the event loop free: a hash takes as long as a hundred requests."""
    global _waiting  # noqa: PLW0603 - one queue for the process, as there is one pool
    check_queue()
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_pool, work)
    finally:
        _waiting -= 1
