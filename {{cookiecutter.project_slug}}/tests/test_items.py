"""Items belong to their owner."""

import random
import re
from collections.abc import AsyncGenerator

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Item, User

BODIES = {"GET": None, "PATCH": {"title": "Stolen"}, "DELETE": None}


async def test_an_item_belongs_to_who_made_it(as_ann: AsyncClient, ann: User) -> None:
    response = await as_ann.post("/items/", json={"title": "Lamp"})

    assert response.status_code == 201
    item = response.json()
    assert item["owner_id"] == ann.id
    assert item["description"] is None
    assert item == (await as_ann.get(f"/items/{item['id']}")).json()


async def test_items_are_listed_in_pages_oldest_first(as_ann: AsyncClient) -> None:
    for title in "abcd":
        await as_ann.post("/items/", json={"title": title})

    page = (await as_ann.get("/items/", params={"skip": 1, "limit": 2})).json()

    assert [item["title"] for item in page] == ["b", "c"]


async def test_a_list_holds_ones_own_items_and_everyones_for_superusers(
    as_ann: AsyncClient, as_bob: AsyncClient, as_root: AsyncClient
) -> None:
    await as_ann.post("/items/", json={"title": "Ann's"})
    await as_bob.post("/items/", json={"title": "Bob's"})

    assert [item["title"] for item in (await as_bob.get("/items/")).json()] == ["Bob's"]
    assert len((await as_root.get("/items/")).json()) == 2


async def test_an_item_changes_in_the_fields_that_were_sent(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp", "description": "Red"})).json()
    path = f"/items/{item['id']}"

    assert (await as_ann.patch(path, json={"title": "Light"})).json()["description"] == "Red"
    changed = (await as_ann.patch(path, json={"description": None})).json()

    assert (changed["title"], changed["description"]) == ("Light", None)
    assert changed["updated_at"] is not None


async def test_a_deleted_item_is_gone(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()

    assert (await as_ann.delete(f"/items/{item['id']}")).status_code == 204
    assert (await as_ann.get(f"/items/{item['id']}")).status_code == 404


@pytest.mark.parametrize("method", BODIES)
async def test_an_item_of_someone_else_does_not_exist(
    as_ann: AsyncClient, as_bob: AsyncClient, method: str
) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()

    other = await as_bob.request(method, f"/items/{item['id']}", json=BODIES[method])
    missing = await as_bob.request(method, f"/items/{item['id'] + 1000}", json=BODIES[method])

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()
    assert (await as_ann.get(f"/items/{item['id']}")).json() == item


async def test_superusers_change_any_item(as_ann: AsyncClient, as_root: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()

    response = await as_root.patch(f"/items/{item['id']}", json={"title": "Light"})

    assert response.json()["owner_id"] == item["owner_id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": None},
        {"title": ""},
        {"title": "x" * 201},
        {"title": "a\0b"},
        {"title": "x", "description": "\0"},
        {"title": "x", "description": "x" * 10_001},
        {"title": "x", "owner_id": 1},
        {"title": "x", "id": 1},
    ],
)
async def test_an_item_that_makes_no_sense_is_refused(
    as_ann: AsyncClient, body: dict[str, object]
) -> None:
    assert (await as_ann.post("/items/", json=body)).status_code == 422
    assert (await as_ann.get("/items/")).json() == []


@pytest.mark.parametrize("item_id", [0, -1, 2**31, 2**63, "x", "1.5"])
async def test_an_id_is_a_number_that_a_row_can_have(
    as_ann: AsyncClient, item_id: int | str
) -> None:
    response = await as_ann.get(f"/items/{item_id}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["path", "item_id"]


async def follow(client: AsyncClient, url: str) -> AsyncGenerator[list[int]]:
    """Yield the ids of page after page, as the links lead."""
    while url:
        answer = await client.get(url)
        assert answer.is_success
        yield [item["id"] for item in answer.json()]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("Link", ""))
        url = f"http://test{link[1]}" if link else ""


@pytest.mark.parametrize(("count", "limit", "pages"), [(0, 2, 1), (2, 2, 1), (5, 2, 3), (3, 1, 3)])
async def test_links_lead_through_all_pages(
    as_ann: AsyncClient, as_bob: AsyncClient, count: int, limit: int, pages: int
) -> None:
    await as_bob.post("/items/", json={"title": "Not hers"})
    made = [(await as_ann.post("/items/", json={"title": "x"})).json()["id"] for _ in range(count)]

    found = [page async for page in follow(as_ann, f"/items?limit={limit}")]

    assert [item for page in found for item in page] == made
    assert len(found) == pages


@pytest.mark.parametrize("seed", range(3))
async def test_no_row_is_missed_or_repeated_while_others_come_and_go(
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
