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

Counted = ReturningInsert[int, datetime]
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
        upsert = self._upsert(what, timedelta(seconds=seconds), anew=False)
        hits, window_end = (await self.db.execute(upsert)).one()
        return max(1, round((window_end - utc_now()).total_seconds())) if hits > most else 0

    async def forgive(self, *what: str) -> None:
        """Take back one try of each, in the order in which they were counted."""
        for key in map(fingerprint, what):
            tries = update(Throttle).where(Throttle.key == key, Throttle.hits > 0)
            await self.db.execute(tries.values(hits=Throttle.hits - 1))

    async def remember(self, what: str, duration: timedelta) -> None:
        """Note that something has just happened."""
        await self.db.execute(self._upsert(what, duration, anew=True))

    async def remembers(self, what: str) -> bool:
        """Tell whether something has happened."""
        found = select(Throttle.hits).where(Throttle.key == fingerprint(what))
        return await self.db.scalar(found.where(Throttle.window_end > utc_now())) is not None

    async def purge(self) -> None:
        """Forget what lies in the past."""
        over = select(Throttle.key).where(Throttle.window_end < utc_now())
        free = over.with_for_update(skip_locked=True)  # who counts holds some, and wants others
        await self.db.execute(delete(Throttle).where(Throttle.key.in_(free)))

    def _upsert(self, what: str, window: timedelta, *, anew: bool) -> Counted:
        now = utc_now()
        first: dict[str, Any] = {"key": fingerprint(what), "hits": 1, "window_end": now + window}
        over = Throttle.window_end < now
        more = {
            "hits": case((over, 1), else_=Throttle.hits + 1),
            "window_end": case((over, first["window_end"]), else_=Throttle.window_end),
        }
        insert = INSERT[self.db.get_bind().dialect.name](Throttle).values(**first)
        upsert = insert.on_conflict_do_update(index_elements=["key"], set_=first if anew else more)
        return upsert.returning(Throttle.hits, Throttle.window_end)
