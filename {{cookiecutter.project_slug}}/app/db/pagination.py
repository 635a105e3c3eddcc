"""Pagination: the query for one page of rows."""

from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

Row = TypeVar("Row")


def paginate(
    rows: Select[Row], key: InstrumentedAttribute[int], *, after: int, skip: int, limit: int
) -> Select[Row]:
    """Return the query for a page in the order of the key, and for one row more.

    `after` (keyset pagination) costs the same on every page, and misses or repeats no row while
    others are inserted and deleted; `skip` (offset) costs more the deeper the page is.
    """
    return rows.where(key > after).order_by(key).offset(skip).limit(limit + 1)
