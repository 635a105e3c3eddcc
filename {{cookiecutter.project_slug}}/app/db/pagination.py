"""Pages of rows."""

from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

Row = TypeVar("Row")


async def get_page(db: AsyncSession, rows: Select[Row], *, skip: int, limit: int) -> list[Row]:
    """Return at most `limit` rows, after leaving out the first `skip`."""
    return list(await db.scalars(rows.offset(skip).limit(limit)))
