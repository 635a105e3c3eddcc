"""Rate limits: the login rate limit, those of registration and email; counted in the database."""

from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.exceptions import RateLimitedError
from app.core.security import sha256_hex
from app.core.security_log import SecurityEvent, log_security_event
from app.db.base import table_of, utc_now
from app.db.dialects import dialect_insert
from app.db.session import commit_and_release, engine
from app.models import RateLimitCounter
from app.setting_types import Rate

# Statements that many requests execute are built once: building takes as long as executing.
COUNTERS = table_of(RateLimitCounter)
WINDOW_END = bindparam("end", type_=COUNTERS.c.window_end.type)
IS_OVER = COUNTERS.c.window_end < bindparam("now")
COUNT_ATTEMPT = (
    dialect_insert(engine.dialect.name, COUNTERS)
    .values(key=bindparam("counter"), attempts=1, window_end=WINDOW_END)
    .on_conflict_do_update(
        index_elements=["key"],
        set_={
            "attempts": case((IS_OVER, 1), else_=COUNTERS.c.attempts + 1),
            "window_end": case((IS_OVER, WINDOW_END), else_=COUNTERS.c.window_end),
        },
    )
    .returning(COUNTERS.c.attempts, COUNTERS.c.window_end)
)
REFUND_ATTEMPT = (
    update(COUNTERS)
    .where(COUNTERS.c.key == bindparam("counter"), COUNTERS.c.attempts > 0)
    .values(attempts=COUNTERS.c.attempts - 1)
)


class RateLimit(Enum):
    """Every rate limit: the setting that holds its rate, and what it is counted for."""

    LOGIN_PER_IP_AND_EMAIL = ("LOGIN_RATE_PER_IP_AND_EMAIL", "client IP and email")
    LOGIN_PER_IP = ("LOGIN_RATE_PER_IP", "client IP")
    LOGIN_PER_EMAIL = ("LOGIN_RATE_PER_EMAIL", "email, except from known clients")
    PASSWORD_CONFIRMATION_PER_SESSION = (
        "PASSWORD_CONFIRMATION_RATE_PER_SESSION",
        "session, or email token",
    )
    REGISTRATION_PER_IP = ("REGISTRATION_RATE_PER_IP", "client IP")
    EMAIL_CHANGE_PER_USER = ("EMAIL_CHANGE_RATE_PER_USER", "user")
    EMAIL_PER_IP = ("EMAIL_RATE_PER_IP", "client IP, over all kinds of email but notices")
    EMAIL_PER_RECIPIENT = (
        "EMAIL_RATE_PER_RECIPIENT",
        "recipient, over all kinds of email; each kind of notice by itself",
    )

    def __init__(self, setting: str, per: str) -> None:
        self.setting = setting
        self.per = per

    @property
    def rate(self) -> Rate:
        """Number of attempts and seconds, from the settings."""
        rate: Rate = getattr(settings, self.setting)
        return rate

    def attempt(self, *subject: str | int) -> "Attempt":
        """Return an attempt that counts for a subject, such as a client IP."""
        return Attempt(self, sha256_hex("|".join([self.name, *map(str, subject)])))


class Attempt(NamedTuple):
    """What is counted: a limit, and the key of its counter."""

    limit: RateLimit
    key: str


class RateLimiter:
    """Counts attempts before their outcome is known, in fixed windows of time.

    Only attempts that are allowed count: others would outlast the refunds of those that succeed.
    """

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def consume(self, *attempts: Attempt) -> None:
        """Count attempts, and commit, so that they count whatever happens to the request.

        Different callers have to pass the same limits in the same order: their rows are locked.

        Raises:
            RateLimitedError: if one exceeds its limit; then none is counted.
        """
        for number, attempt in enumerate(attempts):
            if retry_after := await self._count(attempt):
                await self.refund(*attempts[:number])
                await commit_and_release(self.db)
                log_security_event(SecurityEvent.RATE_LIMITED, reason=attempt.limit.setting)
                raise RateLimitedError(retry_after)
        await commit_and_release(self.db)

    async def try_consume(self, attempt: Attempt) -> bool:
        """Count an attempt in the transaction of the request; return whether it is allowed."""
        if is_over := bool(await self._count(attempt)):
            log_security_event(SecurityEvent.RATE_LIMITED, reason=attempt.limit.setting)
        return not is_over

    async def refund(self, *attempts: Attempt) -> None:
        """Take back one count of each attempt, in the transaction of the request."""
        for attempt in attempts:
            await self.db.execute(REFUND_ATTEMPT, {"counter": attempt.key})

    async def clear(self, *attempts: Attempt) -> None:
        """Forget all counts of some attempts, in the order in which they are counted."""
        for attempt in attempts:
            await self.db.execute(delete(COUNTERS).where(COUNTERS.c.key == attempt.key))

    async def purge(self) -> None:
        """Delete counters whose window is over, except those that a request has locked."""
        over = select(RateLimitCounter.key).where(RateLimitCounter.window_end < utc_now())
        unlocked = over.with_for_update(skip_locked=True)
        await self.db.execute(delete(RateLimitCounter).where(RateLimitCounter.key.in_(unlocked)))

    async def _count(self, attempt: Attempt) -> int:
        """Count an attempt; return the seconds to wait if there were too many, or 0."""
        now, rate = utc_now(), attempt.limit.rate
        end = now + timedelta(seconds=rate.seconds)
        values = {"counter": attempt.key, "now": now, "end": end}
        attempts, window_end = (await self.db.execute(COUNT_ATTEMPT, values)).one()
        if attempts <= rate.attempts:
            return 0
        await self.refund(attempt)
        seconds: float = (window_end - now).total_seconds()
        return max(1, round(seconds))
