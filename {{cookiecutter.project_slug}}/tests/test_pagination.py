"""Pagination: pages by cursor or offset, sorting, counts and the Link header of any list."""

import gc
import random
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from enum import Enum
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, Literal, get_args

import pytest
from fastapi import Query
from httpx2 import AsyncClient
from sqlalchemy import String, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from app import services
from app.api.pagination import Paging
from app.api.routing import Router
from app.db import pagination
from app.db.base import Base, UTCDateTime, utc_now
from app.db.pagination import PageRequest, paginate
from app.dependencies import DbSession
from app.main import app, create_app
from app.schemas.base import Filters
from tests.conftest import OverrideSettings
from tests.helpers import client_for, operations


class Color(Enum):
    """Values that are not sorted like their names."""

    RED = "a"
    BLUE = "b"


class OtherBase(DeclarativeBase):
    """Base of a model that the migrations do not know."""

    type_annotation_map = Base.type_annotation_map
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads it once


class Thing(OtherBase):
    """A row with columns of several types, with equal values and nulls."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    rank: Mapped[int | None]
    time: Mapped[datetime | None] = mapped_column(UTCDateTime)
    color: Mapped[Color]


Sort = Literal["id", "-id", "name", "-name", "rank", "-rank", "time", "-time", "color", "-color"]
SORTS: list[str] = list(get_args(Sort))


THINGS = select(Thing)
Other = aliased(Thing)


class ThingFilters(Filters):
    """Filters of the list."""

    rank: list[int] | None = None
    sort: Sort = "id"


router = Router()


@router.get("/things")
async def list_things(
    filters: Annotated[ThingFilters, Query()],
    paging: Paging,
    db: DbSession,
    name: str | None = None,
) -> list[int]:
    """List the ids of things; `name` is declared as in FastAPI's tutorial."""
    things = THINGS
    if name is not None:
        things = things.where(Thing.name == name)
    where = filters.conditions({"rank": Thing.rank.in_})
    page = await paginate(db, things, paging.page, filters.sort, where=where)
    return [thing.id for thing in paging.respond(page)]


@pytest.fixture
def sorted_again() -> Iterator[None]:
    """Forget the orders of queries, which have the key of cursors, before and after the test."""
    pagination.SORTED.clear()
    yield
    pagination.SORTED.clear()


@pytest.fixture
async def things(db: AsyncSession, connection: AsyncConnection) -> AsyncGenerator[AsyncClient]:
    """Yield a client of a service with the list."""
    del db  # the transaction that the service works in
    await connection.run_sync(OtherBase.metadata.create_all)
    service = create_app()
    service.include_router(router)
    async with client_for(service) as client:
        yield client


def make_thing(chance: random.Random) -> Thing:
    """Return a thing with random values, many of which are equal or null."""
    return Thing(
        name=chance.choice(["a", "b", "ß", "A", "'"]),
        rank=chance.choice([None, 1, 2]),
        time=chance.choice([None, utc_now(), datetime.fromisoformat("2026-01-01T00:00:00.5Z")]),
        color=chance.choice(list(Color)),
    )


async def add_things(db: AsyncSession, count: int, seed: int = 0) -> None:
    """Add things, the same for each seed."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    db.add_all(make_thing(chance) for _ in range(count))
    await db.commit()


async def follow(client: AsyncClient, url: str) -> AsyncGenerator[list[int]]:
    """Yield page after page, following the next links."""
    while url:
        response = await client.get(url)
        assert response.is_success, response.text
        yield response.json()
        url = next_url(response.headers)


def next_url(headers: Any) -> str:  # noqa: ANN401 - headers of the client library
    """Return the URL of the next page, or ""."""
    link = re.fullmatch(r'<(.+)>; rel="next"', headers.get("Link", ""))
    return link[1] if link else ""


@pytest.mark.parametrize(("count", "limit", "pages"), [(0, 2, 1), (2, 2, 1), (5, 2, 3), (3, 1, 3)])
async def test_next_links_lead_through_all_pages(
    things: AsyncClient, db: AsyncSession, count: int, limit: int, pages: int
) -> None:
    await add_things(db, count)

    found = [page async for page in follow(things, f"/things?limit={limit}")]

    assert [thing for page in found for thing in page] == sorted(await db.scalars(select(Thing.id)))
    assert len(found) == pages


@pytest.mark.parametrize(("seed", "sort"), list(enumerate(SORTS)))
async def test_keyset_pagination_misses_or_repeats_no_row_during_concurrent_changes(
    things: AsyncClient, db: AsyncSession, seed: int, sort: str
) -> None:
    await add_things(db, 20, seed)
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    stable = set(await db.scalars(select(Thing.id)))

    found: list[int] = []
    async for page in follow(things, f"/things?limit=3&sort={sort}"):
        found += page
        gone = chance.choice([*stable, *page])  # also the row of the cursor
        await db.execute(delete(Thing).where(Thing.id == gone))
        db.add(make_thing(chance))
        await db.commit()
        stable.discard(gone)

    assert len(found) == len(set(found))
    assert stable <= set(found)


async def test_rows_with_long_texts_are_paged(things: AsyncClient, db: AsyncSession) -> None:
    for number in range(3):
        name = "".join(chr(0x1F300 + (number + 7 * i) % 250) for i in range(200))
        db.add(Thing(name=name, color=Color.RED))
    await db.commit()

    pages = [page async for page in follow(things, "/things?limit=2&sort=name")]

    assert [len(page) for page in pages] == [2, 1]


async def test_rows_with_the_time_of_the_database_are_paged_by_it(
    things: AsyncClient, db: AsyncSession
) -> None:
    columns = {"name": "a", "color": Color.RED, "time": func.now()}  # equal in one transaction
    await db.execute(insert(Thing).values([columns] * 7))
    db.add(Thing(name="b", color=Color.RED, time=utc_now()))
    await db.commit()

    for sort in ("time", "-time"):
        ids = [i async for page in follow(things, f"/things?limit=2&sort={sort}") for i in page]
        assert len(ids) == len(set(ids)) == 8


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_have_the_order_of_the_sort_column_with_nulls_as_the_largest_values(
    things: AsyncClient, db: AsyncSession, sort: str
) -> None:
    await add_things(db, 20)
    name = sort.removeprefix("-")

    ids = [thing async for page in follow(things, f"/things?limit=3&sort={sort}") for thing in page]

    rows = {thing.id: thing for thing in await db.scalars(select(Thing))}
    values = [getattr(rows[thing], name) for thing in ids]
    groups = [value for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
    assert len(groups) == len(set(groups))  # equal values are together
    if None in groups:
        assert groups.index(None) == (0 if sort[0] == "-" else len(groups) - 1)
    if name in {"id", "rank", "time"}:
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=sort[0] == "-")


async def test_next_link_keeps_all_parameters_except_skip(
    things: AsyncClient, db: AsyncSession
) -> None:
    await add_things(db, 60)
    params: dict[str, str | int | list[int]] = {
        "skip": 1,
        "limit": 1,
        "sort": "-name",
        "name": "a",
        "rank": [1, 2],
        "count": "true",
    }

    response = await things.get("/things", params=params)

    url = next_url(response.headers)
    assert "skip" not in url
    for kept in ("limit=1", "sort=-name", "name=a", "rank=1", "rank=2", "count=true", "after="):
        assert kept in url


async def test_count_is_the_number_of_rows_that_the_filters_select_on_every_page(
    things: AsyncClient, db: AsyncSession
) -> None:
    await add_things(db, 20)
    total = len(list(await db.scalars(select(Thing).where(Thing.rank == 1))))

    url, counts = "/things?rank=1&limit=2&count=true", []
    while url:
        response = await things.get(url)
        counts.append(response.headers["X-Total-Count"])
        url = next_url(response.headers)

    assert counts == [str(total)] * len(counts)
    assert len(counts) == -(-total // 2)
    assert "X-Total-Count" not in (await things.get("/things")).headers


@pytest.mark.usefixtures("sorted_again")
async def test_requests_with_different_filters_share_the_sorted_query(
    things: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorts: list[str] = []

    class CountedOrder(pagination.Order):
        def __init__(self, query: pagination.Query, sort: str) -> None:
            super().__init__(query, sort)
            sorts.append(sort)

    monkeypatch.setattr(pagination, "Order", CountedOrder)
    for number in range(5):
        await things.get("/things", params={"rank": number, "sort": "-color"})
    assert sorts == ["-color"]


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(
    "query",
    [
        THINGS.order_by(Thing.name.desc()).limit(3),
        select(Thing.id, Thing.rank, Other.name).join(Other, Other.id == Thing.id),
        select(Thing.rank, Thing.id, Other.id, Other.rank).join(Other, Other.id == Thing.id),
    ],
)
async def test_query_is_paged_with_a_join_or_an_order_and_a_limit_of_its_own(
    db: AsyncSession, query: pagination.Query
) -> None:
    await add_things(db, 10)
    ids, cursor = [], ""

    while True:
        page = await paginate(db, query, PageRequest(cursor, limit=3, count=True), "-rank")
        assert page.total == 10
        ids += [thing.id for thing in page.rows]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor

    assert sorted(ids) == sorted(await db.scalars(select(Thing.id)))


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (select(Thing.id), ValueError, "no Thing.rank"),
        (select(Thing, Other), ValueError, "no Thing.rank and Thing.id"),
        (select(Thing.name, Other.id, Other.rank), ValueError, "no Thing.rank and Thing.id"),
        (select(Other), TypeError, "aliased.Thing. is not a model"),
        (select(Thing.__table__), TypeError, "A table is not a model"),
    ],
)
async def test_query_whose_rows_have_no_order_is_an_error_also_without_rows(
    db: AsyncSession, query: pagination.Query, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await paginate(db, query, PageRequest(), "rank")


@pytest.mark.usefixtures("things", "sorted_again")
async def test_query_that_is_built_for_a_request_is_forgotten_with_it(db: AsyncSession) -> None:
    for number in range(3):
        await paginate(db, THINGS.where(Thing.rank == number), PageRequest(), "rank")
    gc.collect()

    assert not pagination.SORTED


async def test_skip_and_limit_select_rows_by_offset(things: AsyncClient, db: AsyncSession) -> None:
    await add_things(db, 5)
    ids = sorted(await db.scalars(select(Thing.id)))

    response = await things.get("/things", params={"skip": 1, "limit": 2})

    assert response.json() == ids[1:3]


@pytest.mark.parametrize("cursor", ["x", "5", "WzVd.abc", "é", "\0", "x" * 5000])
async def test_cursor_that_the_service_has_not_made_is_422(
    things: AsyncClient, cursor: str
) -> None:
    response = await things.get("/things", params={"after": cursor})

    assert response.status_code == 422


async def test_cursor_of_another_order_is_422(things: AsyncClient, db: AsyncSession) -> None:
    await add_things(db, 3)
    response = await things.get("/things?limit=1&sort=name")

    response = await things.get(next_url(response.headers).replace("sort=name", "sort=rank"))

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_cursor"


@pytest.mark.usefixtures("sorted_again")
async def test_cursor_stays_valid_after_key_rotation(
    things: AsyncClient, db: AsyncSession, override_settings: OverrideSettings
) -> None:
    await add_things(db, 3)
    old, new = ("0123456789abcdefghijklmnopqrstuv" + end for end in "xy")
    override_settings(SECRET_KEY=old)
    url = next_url((await things.get("/things?limit=1")).headers)

    override_settings(SECRET_KEY=new, SECRET_KEY_FALLBACKS=old)
    pagination.SORTED.clear()

    assert (await things.get(url)).status_code == 200


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("skip=-1", "skip"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        (f"skip={2**63}", "skip"),
        ("count=x", "count"),
        ("sort=secret", "sort"),
        ("lmit=1", "lmit"),
    ],
)
async def test_invalid_parameter_of_a_list_is_422(
    things: AsyncClient, query: str, name: str
) -> None:
    response = await things.get(f"/things?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", name]


def lists() -> dict[str, list[str]]:
    """Return the sort orders of every list of the service, by path."""
    return {
        operation.removeprefix("GET "): parameter["schema"]["enum"]
        for operation, documented in operations(app.openapi()).items()
        for parameter in documented.get("parameters", [])
        if parameter["name"] == "sort"
    }


@pytest.mark.parametrize(("path", "sorts"), lists().items())
async def test_every_sort_column_has_an_index(
    as_root: AsyncClient, statements: list[str], path: str, sorts: list[str]
) -> None:
    me = (await as_root.get("/users/me")).json()
    for sort in sorts:
        statements.clear()
        url = re.sub(r"{\w+}", str(me["id"]), path)  # of a list that belongs to a user
        response = await as_root.get(f"http://test{url}", params={"sort": sort})

        assert response.is_success, response.text
        table, column = re.findall(r"ORDER BY (\w+)\.(\w+)", statements[-1])[0]
        indexed = Base.metadata.tables[table].indexes
        columns = [next(iter(index.columns)).name for index in indexed]
        assert column in {*columns, "id"}, (
            f"{path}?sort={sort}: give {table}.{column} an index, such as "
            "mapped_column(index=True), then run: make migration"
        )


def filters_and_conditions() -> dict[str, tuple[set[str], set[str]]]:
    """Return the filters of each service that has conditions, and the names of those."""
    found = {}
    for module in iter_modules(services.__path__, f"{services.__name__}."):
        names = vars(import_module(module.name))
        schemas = [v for v in names.values() if isinstance(v, type) and issubclass(v, Filters)]
        tables = [value for name, value in names.items() if name.endswith("CONDITIONS")]
        if tables:  # there may be several, such as BOOK_CONDITIONS
            fields = {field for schema in schemas for field in schema.model_fields}
            found[module.name] = (fields - {"sort"}, set().union(*tables))
    return found


@pytest.mark.parametrize(("service", "names"), filters_and_conditions().items())
def test_every_filter_has_a_condition(service: str, names: tuple[set[str], set[str]]) -> None:
    filters, conditions = names
    missing = filters - conditions
    assert not missing, f"{missing}: add a row to CONDITIONS of {service}"
