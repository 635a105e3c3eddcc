"""Items: visible to their owner and to superusers."""

import pytest
from httpx2 import AsyncClient

from app.models import User

BODIES = {"GET": None, "PATCH": {"title": "Stolen"}, "DELETE": None}


async def test_created_item_belongs_to_its_creator(as_ann: AsyncClient, ann: User) -> None:
    response = await as_ann.post("/items/", json={"title": "Lamp"})

    assert response.status_code == 201
    item = response.json()
    assert item["owner_id"] == ann.id
    assert item["description"] is None
    assert item == (await as_ann.get(f"/items/{item['id']}")).json()


async def test_items_are_listed_oldest_first_with_skip_and_limit(as_ann: AsyncClient) -> None:
    for title in "abcd":
        await as_ann.post("/items/", json={"title": title})

    page = (await as_ann.get("/items/", params={"skip": 1, "limit": 2})).json()

    assert [item["title"] for item in page] == ["b", "c"]


async def test_item_list_has_own_items_or_everyones_for_superusers(
    as_ann: AsyncClient, as_bob: AsyncClient, as_root: AsyncClient
) -> None:
    await as_ann.post("/items/", json={"title": "Ann's"})
    await as_bob.post("/items/", json={"title": "Bob's"})

    assert [item["title"] for item in (await as_bob.get("/items/")).json()] == ["Bob's"]
    assert len((await as_root.get("/items/")).json()) == 2


async def test_item_update_changes_only_the_sent_fields(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp", "description": "Red"})).json()
    path = f"/items/{item['id']}"

    assert (await as_ann.patch(path, json={"title": "Light"})).json()["description"] == "Red"
    changed = (await as_ann.patch(path, json={"description": None})).json()

    assert (changed["title"], changed["description"]) == ("Light", None)
    assert changed["updated_at"] is not None


async def test_deleted_item_is_404(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()

    assert (await as_ann.delete(f"/items/{item['id']}")).status_code == 204
    assert (await as_ann.get(f"/items/{item['id']}")).status_code == 404


@pytest.mark.parametrize("method", BODIES)
async def test_item_of_another_user_is_404_like_a_missing_one(
    as_ann: AsyncClient, as_bob: AsyncClient, method: str
) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()

    other = await as_bob.request(method, f"/items/{item['id']}", json=BODIES[method])
    missing = await as_bob.request(method, f"/items/{item['id'] + 1000}", json=BODIES[method])

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()
    assert (await as_ann.get(f"/items/{item['id']}")).json() == item


async def test_superuser_updates_any_item_and_its_owner_stays(
    as_ann: AsyncClient, as_root: AsyncClient
) -> None:
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
async def test_invalid_item_is_rejected(as_ann: AsyncClient, body: dict[str, object]) -> None:
    assert (await as_ann.post("/items/", json=body)).status_code == 422
    assert (await as_ann.get("/items/")).json() == []


@pytest.mark.parametrize("item_id", [0, -1, 2**31, 2**63, "x", "1.5"])
async def test_item_id_out_of_range_is_422(as_ann: AsyncClient, item_id: int | str) -> None:
    response = await as_ann.get(f"/items/{item_id}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["path", "item_id"]
