"""Password hashing: Argon2id; older bcrypt hashes are accepted, and replaced at login."""

import asyncio
import contextlib
import os
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Network
from typing import NamedTuple, TypeVar

from passlib.context import CryptContext  # from libpass, the maintained distribution

from app.core.exceptions import OverloadedError
from app.core.password_policy import is_text
from app.core.security_log import client_ip

Result = TypeVar("Result")

BCRYPT_MAX_BYTES = 72  # bcrypt ignores what follows
MAX_INPUT_LENGTH = 4096  # characters that passlib accepts
NICENESS = 5  # of the thread, added to that of the event loop: it gets a quarter of a busy core
MAX_QUEUE_LENGTH = 512  # passwords; a client IP that has none there may always add one
MAX_QUEUE_LENGTH_PER_CLIENT = 64  # passwords; the last one waits for 64 hashes, 7 s on a busy core

# Argon2id with the minimum parameters of OWASP's Password Storage Cheat Sheet.
context = CryptContext(
    schemes=["argon2", "bcrypt"],
    deprecated=["bcrypt"],
    argon2__type="ID",
    argon2__memory_cost=19 * 1024,  # KiB
    argon2__time_cost=2,
    argon2__parallelism=1,
)
DUMMY_HASH = context.hash("dummy")  # for users that do not exist: verifying takes as long


def lower_priority() -> None:
    """Let the event loop go first, which may have to wait for a time slice of this thread.

    On Linux, a thread has a priority of its own.
    """
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, niceness)


# One thread: more would compete for the CPU with the event loop, and each needs 19 MiB.
_executor = ThreadPoolExecutor(
    max_workers=1,
    thread_name_prefix="passwords",
    initializer=lower_priority if sys.platform == "linux" else None,
)
_waiting: Counter[str] = Counter()  # passwords, by client IP
_turns: dict[str, asyncio.Lock] = {}


class VerifyResult(NamedTuple):
    """Whether the password is correct, and a new hash to store if the old one is outdated."""

    is_correct: bool
    new_hash: str | None


def check_queue() -> None:
    """Check that the hash queue is not full.

    Raises:
        OverloadedError: if too many passwords are waiting, of all clients or of this client IP.
    """
    own, is_full = _waiting[_client()], _waiting.total() >= MAX_QUEUE_LENGTH
    if own >= MAX_QUEUE_LENGTH_PER_CLIENT or (own and is_full):
        raise OverloadedError


async def hash_password(password: str) -> str:
    """Hash a password, in the executor.

    Raises:
        OverloadedError: if too many passwords are waiting.
    """
    return await _in_thread(lambda: context.hash(_normalize(password)))


async def verify_password(password: str, hashed: str | None) -> VerifyResult:
    """Compare a password with a hash, in the executor.

    The hash is `None` if there is no such user: the call takes as long, and the result is
    "incorrect", so that timing does not reveal who is registered.

    Raises:
        OverloadedError: if too many passwords are waiting.
    """
    result = await _in_thread(lambda: _verify(password, hashed or DUMMY_HASH))
    return result if hashed else VerifyResult(is_correct=False, new_hash=None)


def _verify(password: str, hashed: str) -> VerifyResult:
    usable = len(password) <= MAX_INPUT_LENGTH and is_text(password)
    secret = _normalize(password) if usable else ""
    if context.identify(hashed) == "bcrypt":
        truncated = secret.encode()[:BCRYPT_MAX_BYTES]  # as when the hash was made
        is_correct = context.verify(truncated, hashed)
        return VerifyResult(is_correct, context.hash(secret) if is_correct else None)
    return VerifyResult(*context.verify_and_update(secret, hashed))


def _normalize(password: str) -> str:
    """Return the password in NFC (NIST SP 800-63B): keyboards send accents in different ways."""
    return unicodedata.normalize("NFC", password)


def _client() -> str:
    """Return the client IP; of IPv6, the /48 network, which one site may have (RFC 6177)."""
    ip = client_ip.get()
    return str(IPv6Network(ip).supernet(new_prefix=48)) if ip.endswith("/64") else ip


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Run in the executor: a hash takes as long as a hundred requests.

    Client IPs take turns: each has one password there at a time.
    """
    check_queue()
    client = _client()
    _waiting[client] += 1
    try:
        async with _turns.setdefault(client, asyncio.Lock()):
            return await asyncio.get_running_loop().run_in_executor(_executor, work)
    finally:
        _waiting[client] -= 1
        if not _waiting[client]:
            del _waiting[client], _turns[client]
