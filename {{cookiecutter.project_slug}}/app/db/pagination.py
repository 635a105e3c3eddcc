"""Pagination: one page of a query, sorted by a column, and the cursor of the next page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json
from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    inspect,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.config import settings
from app.core.exceptions import InvalidCursorError

Row = TypeVar("Row")
Query = Select[*tuple[Any, ...]]  # of a model, or of its columns
WHAT_IS_PAGED = "Select a model, or the `columns()` of a model and then columns of others."


@dataclass(frozen=True)
class PageRequest:
    """The page that a client asks for."""

    after: str = ""
    skip: int = 0
    limit: int = 100
    count: bool = False


@dataclass(frozen=True)
class Page(Generic[Row]):
    """A page of rows; the cursor of the next page, if there is one; the number of all rows."""

    rows: list[Row]
    next_cursor: str | None
    total: int | None


async def paginate(  # noqa: PLR0913 - the parts of a list
    db: AsyncSession,
    query: Query,
    page: PageRequest,
    sort: str = "id",
    values: Mapping[str, object] | None = None,
    *,
    where: Sequence[ColumnElement[bool]] = (),
) -> Page[Any]:
    """Return a page of the rows of one model, sorted by a column, or by `-column` descending.

    The query may join others, but has one row for each row of the model. An order or limit of its
    own is replaced. `values` are those of its `bindparam()`s, whose names must not begin with
    `page_`. Conditions of this request belong in `where`: a query of the module is sorted once, for
    all requests.

    `after` (keyset pagination) costs the same on every page, and misses or repeats no row while
    others are inserted and deleted; `skip` (offset) costs more the deeper the page is.

    Raises:
        InvalidCursorError: if `after` is not a cursor of this model and order.
        TypeError: if the query does not select a model.
        ValueError: if the rows lack a column by which they are sorted.
    """
    listing = _sort(query, sort)
    order, statement = listing.order, listing.query
    bounds: dict[str, Any] = {"page_skip": page.skip, "page_limit": page.limit + 1}
    if page.after:
        bounds |= (position := order.read(page.after))
        statement = listing.after_null if None in position.values() else listing.after_value
    if where:
        statement = statement.where(*where)
    result = await db.execute(statement, {**(values or {}), **bounds})
    rows: list[Any] = list(result.scalars() if order.is_of_objects else result)
    has_next = len(rows) > page.limit
    return Page(
        rows=rows[: page.limit],
        next_cursor=order.cursor(rows[page.limit - 1]) if has_next else None,
        total=await _count(db, query.where(*where), values) if page.count else None,
    )


def _sort(query: Query, sort: str) -> "SortedQuery":
    """Return a sorted query, the same one each time for a query of the module."""
    by_sort = SORTED.setdefault(query, {})
    if sort not in by_sort:
        by_sort[sort] = SortedQuery(query, sort)
    return by_sort[sort]


async def _count(db: AsyncSession, query: Query, values: Mapping[str, object] | None) -> int:
    rows = query.order_by(None).limit(None).offset(None).subquery()
    return await db.scalar(select(func.count()).select_from(rows), values) or 0


class SortedQuery:
    """The statements of the pages of a sorted query, built once: that takes as long as executing.

    It must not refer to the query: it is forgotten together with one that was built for a request.
    """

    def __init__(self, query: Query, sort: str) -> None:
        self.order = Order(query, sort)
        skip, limit = (bindparam(f"page_{name}", type_=Integer()) for name in ("skip", "limit"))
        ordered = query.order_by(None).order_by(*self.order.by)
        self.query = ordered.offset(skip).limit(limit)

    @cached_property
    def after_value(self) -> Query:
        """The query of a page after a row with a value in the sort column."""
        return self.query.where(self.order.is_after(is_null=False))

    @cached_property
    def after_null(self) -> Query:
        """The query of a page after a row without one."""
        return self.query.where(self.order.is_after(is_null=True))


SORTED: WeakKeyDictionary[Query, dict[str, SortedQuery]] = WeakKeyDictionary()


class Order:
    """Order of rows: by a column, and by the primary key where its values are equal.

    Nulls are the largest values, as in PostgreSQL: last, or first if the order is descending.
    """

    def __init__(self, query: Query, sort: str) -> None:
        model = _model(query)
        mapper = inspect(model)
        self.is_descending = sort.startswith("-")
        self.column: Column[Any] = mapper.columns[sort.removeprefix("-")]
        self.key = [key for key in mapper.primary_key if key is not self.column]
        self._columns = [self.column, *self.key]
        self._names = [mapper.get_property_by_column(column).key for column in self._columns]
        self.is_of_objects = _is_of_objects(query, [getattr(model, name) for name in self._names])
        self._position = {
            column: bindparam(f"page_after_{name}", type_=column.type)
            for column, name in zip(self._columns, self._names, strict=True)
        }
        secrets = [*settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY]
        keys = [secret.get_secret_value() for secret in secrets]
        self._signer = Signer(keys, salt=f"{mapper.local_table}:{sort}")

    @cached_property
    def _types(self) -> list[TypeAdapter[Any]]:
        return [TypeAdapter(column.type.python_type) for column in self._columns]

    @property
    def by(self) -> list[ColumnElement[Any]]:
        """Arguments of ORDER BY."""
        by = [c.desc() if self.is_descending else c.asc() for c in self._columns]
        if self.column.nullable:  # SQLite takes nulls for the smallest values
            by[0] = by[0].nulls_first() if self.is_descending else by[0].nulls_last()
        return by

    def cursor(self, row: object) -> str:
        """Return the cursor of a row: its sort values, signed, so that clients cannot make one."""
        values = [getattr(row, name) for name in self._names]
        return self._signer.sign(base64_encode(to_json(values))).decode()

    def read(self, cursor: str) -> dict[str, Any]:
        """Return the values of a cursor, for the condition of `is_after()`.

        Raises:
            InvalidCursorError: if it is one of another list, or of an older version of this one.
        """
        try:
            sent = from_json(base64_decode(self._signer.unsign(cursor)))
            values = zip(self._position.values(), self._types, sent, strict=True)
            return {
                bound.key: None if value is None else adapter.validate_python(value)
                for bound, adapter, value in values
            }
        except (BadData, ValueError):
            raise InvalidCursorError from None

    def is_after(self, *, is_null: bool) -> ColumnElement[bool]:
        """Return the condition that a row comes after that of a cursor, whose value may be null."""
        if is_null:
            same = and_(self.column.is_(None), self._is_beyond(self.key))
            return or_(self.column.is_not(None), same) if self.is_descending else same
        beyond = self._is_beyond(self._columns)
        has_nulls = self.column.nullable and not self.is_descending
        return or_(beyond, self.column.is_(None)) if has_nulls else beyond

    def _is_beyond(self, columns: list[Column[Any]]) -> ColumnElement[bool]:
        row, position = tuple_(*columns), tuple_(*(self._position[column] for column in columns))
        return row < position if self.is_descending else row > position


def _model(query: Query) -> type[Any]:
    """Return the model whose rows are selected, alone or before others."""
    model = query.column_descriptions[0].get("entity")
    if not isinstance(model, type):
        message = f"{model or 'A table'} is not a model. {WHAT_IS_PAGED}"
        raise TypeError(message)
    return model


def _is_of_objects(query: Query, sorted_by: list[InstrumentedAttribute[Any]]) -> bool:
    """Return whether the rows are objects, or else columns, those of the order among them."""
    described = query.column_descriptions
    if len(described) == 1 and described[0]["expr"] is described[0]["entity"]:
        return True
    found = {column["name"]: column["expr"] for column in reversed(described)}
    if missing := [str(column) for column in sorted_by if found.get(column.key) is not column]:
        message = f"The rows have no {' and '.join(missing)}. {WHAT_IS_PAGED}"
        raise ValueError(message)
    return False
