"""How often something may be tried. The counts are in the database, so all instances share them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from app.core.exceptions import TooManyTriesError
from app.core.secrets import fingerprint
from app.db.base import utc_now
from app.models import Throttle

INSERT: dict[str, Callable[..., postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class ThrottleService:
    """Tries, counted before their outcome is known and kept whatever it is."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def hit(self, limits: Mapping[str, str]) -> None:
        """Count a try of each, up to the first that there are too many of, whatever follows.

        Args:
            limits: Who tries what, stored as a hash, and how many tries in how many seconds it
                has, as `5/300`. In one order wherever some are the same, so that nobody deadlocks.

        Raises:
            TooManyTriesError: if there were too many.
        """
        for what, limit in limits.items():
            if wait := await self.count(what, limit):
                await self.db.commit()
                raise TooManyTriesError(wait)
        await self.db.commit()  # come with nothing pending

    async def count(self, what: str, limit: str) -> int:
        """Count a try, if it is committed; return the seconds to wait if there were too many."""
        most, seconds = map(int, limit.split("/"))
        hits, window_end = await self.remember(what, timedelta(seconds=seconds))
        return max(1, round((window_end - utc_now()).total_seconds())) if hits > most else 0

    async def forgive(self, *what: str) -> None:
        """Take back one try of each, in the order in which they were counted."""
        for key in map(fingerprint, what):
            tries = update(Throttle).where(Throttle.key == key, Throttle.hits > 0)
            await self.db.execute(tries.values(hits=Throttle.hits - 1))

    async def remember(self, what: str, duration: timedelta) -> tuple[int, datetime]:
        """Note that something has happened, and return how often and until when it counts."""
        return (await self.db.execute(self._upsert(fingerprint(what), duration))).one()

    async def remembers(self, what: str) -> bool:
        """Tell whether something has happened."""
        found = select(Throttle.hits).where(Throttle.key == fingerprint(what))
        return await self.db.scalar(found.where(Throttle.window_end > utc_now())) is not None

    async def purge(self) -> None:
        """Forget what lies in the past."""
        await self.db.execute(delete(Throttle).where(Throttle.window_end < utc_now()))

    def _upsert(self, key: str, window: timedelta) -> ReturningInsert[int, datetime]:
        now = utc_now()
        first: dict[str, Any] = {"hits": 1, "window_end": now + window}
        over = Throttle.window_end < now
        insert = INSERT[self.db.get_bind().dialect.name](Throttle).values(key=key, **first)
        again = {
            "hits": case((over, 1), else_=Throttle.hits + 1),
            "window_end": case((over, first["window_end"]), else_=Throttle.window_end),
        }
        upsert = insert.on_conflict_do_update(index_elements=["key"], set_=again)
        return upsert.returning(Throttle.hits, Throttle.window_end)
