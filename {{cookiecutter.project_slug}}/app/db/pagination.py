"""Pages of rows."""

from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

Row = TypeVar("Row")


def page_of(
    rows: Select[Row], key: InstrumentedAttribute[int], *, after: int, skip: int, limit: int
) -> Select[Row]:
    """Return the query for a page in the order of the key, and for one row more.

    To begin after a key costs the same on every page, and no row is seen twice or missed while
    others come and go; to skip costs more the deeper the page is.
    """
    return rows.where(key > after).order_by(key).offset(skip).limit(limit + 1)
