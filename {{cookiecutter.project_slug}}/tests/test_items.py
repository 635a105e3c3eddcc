"""Items: visible to their owner and to superusers, filtered and sorted."""

from datetime import UTC, datetime
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Item, User
from tests.helpers import CONFIRMED
from tests.resources import prepare

# Two bodies. By each field of `SORTS`, the first comes before the second.
BODY: dict[str, Any] = {"title": "Chair 100%", "description": "Red"}
OTHER_BODY: dict[str, Any] = {"title": "Lamp", "description": None}
# Values that are rejected, and names of fields that a new object needs.
INVALID: list[dict[str, Any]] = [
    {"title": None},
    {"title": ""},
    {"title": "x" * 201},
    {"title": "a\0b"},
    {"description": "\0"},
    {"description": "x" * 10_001},
]
REQUIRED: list[str] = ["title"]
SORTS: list[str] = ["title"]
# Query parameters, and which of the two bodies they select.
FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({"q": "CHAIR"}, [0]),
    ({"q": "a"}, [0, 1]),
    ({"q": ""}, [0, 1]),
    ({"q": "%"}, [0]),
    ({"q": "_"}, []),
]
INVALID_FILTERS: list[dict[str, Any]] = [{"q": "a\0b"}, {"q": "x" * 201}]


async def create(client: AsyncClient, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """Create items, and return them."""
    responses = [await client.post("/items/", json=await prepare(client, body)) for body in bodies]
    assert {response.status_code for response in responses} == {201}
    return [response.json() for response in responses]


async def ids(client: AsyncClient, /, **params: Any) -> list[int]:  # noqa: ANN401 - any JSON
    """Return the ids of the items that query parameters select."""
    response = await client.get("/items/", params=params)
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()]


async def test_created_item_belongs_to_its_creator(as_ann: AsyncClient, ann: User) -> None:
    body = await prepare(as_ann, BODY)

    (item,) = await create(as_ann, body)

    assert item.items() >= (body | {"owner_id": ann.id}).items()
    assert item == (await as_ann.get(f"/items/{item['id']}")).json()


async def test_item_needs_the_required_fields_only(as_ann: AsyncClient) -> None:
    body = await prepare(as_ann, {name: BODY[name] for name in REQUIRED})
    await create(as_ann, body)

    for name in REQUIRED:
        incomplete = {key: value for key, value in body.items() if key != name}
        response = await as_ann.post("/items/", json=incomplete)
        assert response.json()["errors"][0]["loc"] == ["body", name]


async def test_items_are_listed_oldest_first_with_skip_and_limit(as_ann: AsyncClient) -> None:
    first, second = await create(as_ann, BODY, OTHER_BODY)

    assert await ids(as_ann, limit=1) == [first["id"]]
    assert await ids(as_ann, skip=1, limit=1) == [second["id"]]


async def test_items_are_listed_for_their_owner_and_superusers(
    as_ann: AsyncClient, as_bob: AsyncClient, as_root: AsyncClient, ann: User
) -> None:
    (anns,), (bobs,) = await create(as_ann, BODY), await create(as_bob, OTHER_BODY)

    assert await ids(as_bob) == [bobs["id"]]
    assert await ids(as_bob, owner_id=ann.id) == []
    assert await ids(as_root) == [anns["id"], bobs["id"]]
    assert await ids(as_root, owner_id=ann.id) == [anns["id"]]


@pytest.mark.parametrize("name", BODY)
async def test_item_update_changes_only_the_sent_fields(as_ann: AsyncClient, name: str) -> None:
    (item,) = await create(as_ann, BODY)
    change = await prepare(as_ann, {name: OTHER_BODY[name]})

    changed = (await as_ann.patch(f"/items/{item['id']}", json=change)).json()

    assert changed["updated_at"] >= item["created_at"]
    assert changed == item | change | {"updated_at": changed["updated_at"]}


async def test_deleted_item_is_404(as_ann: AsyncClient) -> None:
    (item,) = await create(as_ann, BODY)

    assert (await as_ann.delete(f"/items/{item['id']}")).status_code == 204
    assert (await as_ann.get(f"/items/{item['id']}")).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_item_of_another_user_is_404_like_a_missing_one(
    as_ann: AsyncClient, as_bob: AsyncClient, method: str
) -> None:
    (item,) = await create(as_ann, BODY)
    body = await prepare(as_bob, OTHER_BODY) if method == "PATCH" else None

    other = await as_bob.request(method, f"/items/{item['id']}", json=body)
    missing = await as_bob.request(method, f"/items/{item['id'] + 1000}", json=body)

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()
    assert (await as_ann.get(f"/items/{item['id']}")).json() == item


async def test_superuser_updates_any_item_and_its_owner_stays(
    as_ann: AsyncClient, as_root: AsyncClient
) -> None:
    (item,) = await create(as_ann, BODY)
    change = await prepare(as_ann, OTHER_BODY)

    response = await as_root.patch(f"/items/{item['id']}", json=change)

    assert response.json()["owner_id"] == item["owner_id"]


@pytest.mark.parametrize("fields", [*INVALID, {"owner_id": 1}, {"id": 1}])
async def test_invalid_item_is_rejected(as_ann: AsyncClient, fields: dict[str, object]) -> None:
    body = await prepare(as_ann, BODY)
    (item,) = await create(as_ann, body)

    assert (await as_ann.post("/items/", json=body | fields)).status_code == 422
    assert (await as_ann.patch(f"/items/{item['id']}", json=fields)).status_code == 422
    assert (await as_ann.get("/items/")).json() == [item]


@pytest.mark.parametrize("item_id", [0, -1, 2**31, 2**63, "x", "1.5"])
async def test_item_id_out_of_range_is_422(as_ann: AsyncClient, item_id: int | str) -> None:
    response = await as_ann.get(f"/items/{item_id}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["path", "item_id"]


async def test_deleting_a_user_deletes_their_items(
    as_ann: AsyncClient, as_root: AsyncClient
) -> None:
    (item,) = await create(as_ann, BODY)

    assert (await as_ann.request("DELETE", "/users/me", json=CONFIRMED)).status_code == 204

    assert (await as_root.get(f"/items/{item['id']}")).status_code == 404


@pytest.mark.parametrize(("params", "selected"), FILTERS)
async def test_items_are_filtered(
    as_ann: AsyncClient, params: dict[str, Any], selected: list[int]
) -> None:
    items = await create(as_ann, BODY, OTHER_BODY)

    assert await ids(as_ann, **params) == [items[number]["id"] for number in selected]


@pytest.mark.parametrize(
    ("params", "selected"),
    [
        ({"created_after": "2026-02-01T00:00:00Z"}, [1]),
        ({"created_before": "2026-02-01"}, [0]),
        ({"created_after": "2026-01-01T01:00:00+01:00"}, [1]),
        ({"created_after": "2025-12-31T23:59:59"}, [0, 1]),
        ({"created_after": "2026-01-02", "created_before": "2026-02-02"}, []),
    ],
)
async def test_items_are_filtered_by_time_of_creation(
    as_ann: AsyncClient, db: AsyncSession, params: dict[str, Any], selected: list[int]
) -> None:
    items = await create(as_ann, BODY, OTHER_BODY)
    for item, month in zip(items, (1, 3), strict=True):
        time = datetime(2026, month, 1, tzinfo=UTC)
        await db.execute(update(Item).where(Item.id == item["id"]).values(created_at=time))
    await db.commit()

    assert await ids(as_ann, **params) == [items[number]["id"] for number in selected]


@pytest.mark.parametrize("name", [*SORTS, "id", "created_at"])
async def test_items_are_sorted(as_ann: AsyncClient, name: str) -> None:
    created = [item["id"] for item in await create(as_ann, BODY, OTHER_BODY)]

    assert await ids(as_ann, sort=name) == created
    assert await ids(as_ann, sort=f"-{name}") == created[::-1]


async def test_items_are_counted(as_ann: AsyncClient) -> None:
    await create(as_ann, BODY, OTHER_BODY)

    counted = await as_ann.get("/items/", params={"limit": 1, "count": True})

    assert counted.headers["X-Total-Count"] == "2"


@pytest.mark.parametrize(
    "params",
    [
        *INVALID_FILTERS,
        {"owner_id": 2**31},
        {"created_after": "yesterday"},
        {"created_after": "0001-01-01T00:00:00+14:00"},
        {"sort": "nothing"},
        {"no_such_filter": "x"},
    ],
)
async def test_invalid_filter_is_rejected(as_ann: AsyncClient, params: dict[str, Any]) -> None:
    response = await as_ann.get("/items/", params=params)

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", *params]


async def test_number_of_statements_does_not_depend_on_the_length_of_a_list(
    as_ann: AsyncClient, statements: list[str]
) -> None:
    counts = []
    for body in (BODY, OTHER_BODY):
        await create(as_ann, body)
        statements.clear()
        await ids(as_ann)
        counts.append(len(statements))

    assert counts[0] == counts[1]
