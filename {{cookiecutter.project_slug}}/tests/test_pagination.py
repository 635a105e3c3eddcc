"""Pagination: Link header, keyset pages, parameters."""

import random
import re
from collections.abc import AsyncGenerator

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Item, User


async def follow(client: AsyncClient, url: str) -> AsyncGenerator[list[int]]:
    """Yield the ids of page after page, following the next links."""
    while url:
        response = await client.get(url)
        assert response.is_success
        yield [item["id"] for item in response.json()]
        link = re.fullmatch(r'<(.+)>; rel="next"', response.headers.get("Link", ""))
        url = f"http://test{link[1]}" if link else ""


@pytest.mark.parametrize(("count", "limit", "pages"), [(0, 2, 1), (2, 2, 1), (5, 2, 3), (3, 1, 3)])
async def test_next_links_lead_through_all_pages(
    as_ann: AsyncClient, as_bob: AsyncClient, count: int, limit: int, pages: int
) -> None:
    await as_bob.post("/items/", json={"title": "Of another user"})
    made = [(await as_ann.post("/items/", json={"title": "x"})).json()["id"] for _ in range(count)]

    found = [page async for page in follow(as_ann, f"/items?limit={limit}")]

    assert [item for page in found for item in page] == made
    assert len(found) == pages


@pytest.mark.parametrize("seed", range(3))
async def test_keyset_pagination_misses_or_repeats_no_row_during_concurrent_changes(
    as_ann: AsyncClient, ann: User, db: AsyncSession, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    db.add_all(Item(title="x", owner_id=ann.id) for _ in range(20))
    await db.commit()
    stable = set(await db.scalars(select(Item.id)))

    found: list[int] = []
    async for page in follow(as_ann, "/items?limit=3"):
        found += page
        gone = chance.choice(sorted(stable))
        await db.execute(delete(Item).where(Item.id == gone))
        db.add(Item(title="new", owner_id=ann.id))
        await db.commit()
        stable.discard(gone)

    assert len(found) == len(set(found))
    assert found == sorted(found)
    assert stable <= set(found)


@pytest.mark.parametrize("query", ["skip=-1", "limit=0", "limit=101", f"skip={2**63}", "lmit=1"])
async def test_invalid_pagination_parameter_is_422(as_root: AsyncClient, query: str) -> None:
    response = await as_root.get(f"/users/?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", query.split("=", maxsplit=1)[0]]


async def test_next_link_replaces_skip_and_keeps_limit(as_ann: AsyncClient) -> None:
    made = [(await as_ann.post("/items/", json={"title": "x"})).json()["id"] for _ in range(4)]

    response = await as_ann.get("/items", params={"skip": 1, "limit": 2})

    assert "skip" not in response.headers["Link"]
    assert f"limit=2&after={made[2]}" in response.headers["Link"].replace(
        f"after={made[2]}&limit=2", f"limit=2&after={made[2]}"
    )
