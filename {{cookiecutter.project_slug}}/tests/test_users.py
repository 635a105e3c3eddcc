"""Users: permissions of users and superusers, privileges, deletion."""

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.schemas.user import UserAdminUpdate, UserUpdate
from app.services.account_service import ADMIN_FIELDS
from tests.conftest import LogIn, MakeUser
from tests.helpers import CONFIRMED, NEW_PASSWORD


async def test_user_list_requires_a_superuser(
    client: AsyncClient, as_ann: AsyncClient, as_root: AsyncClient
) -> None:
    assert (await client.get("/users/")).status_code == 401
    assert (await as_ann.get("/users/")).status_code == 403

    emails = [user["email"] for user in (await as_root.get("/users/")).json()]
    assert emails == ["ann@example.com", "root@example.com"]


async def test_users_are_listed_with_skip_and_limit(
    as_root: AsyncClient, make_user: MakeUser
) -> None:
    for name in "abc":
        await make_user(name)

    page = (await as_root.get("/users/", params={"skip": 1, "limit": 2})).json()

    assert [user["email"] for user in page] == ["a@example.com", "b@example.com"]


async def test_users_read_their_own_account(as_ann: AsyncClient, ann: User) -> None:
    me = (await as_ann.get("/users/me")).json()

    assert me["email"] == "ann@example.com"
    assert me == (await as_ann.get(f"/users/{ann.id}")).json()


@pytest.mark.parametrize("change", [{"is_superuser": False}, {"is_active": False}])
async def test_last_active_superuser_cannot_be_removed(
    as_root: AsyncClient, make_user: MakeUser, change: dict[str, bool]
) -> None:
    me = (await as_root.get("/users/me")).json()["id"]
    await make_user("retired", is_superuser=True, is_active=False)

    assert (await as_root.patch(f"/users/{me}", json=change)).status_code == 409
    for path in ("/users/me", f"/users/{me}"):
        assert (await as_root.request("DELETE", path, json=CONFIRMED)).status_code == 409

    await make_user("second", is_superuser=True)
    assert (await as_root.patch(f"/users/{me}", json=change)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_other_user_is_404_like_a_missing_one(
    as_bob: AsyncClient, ann: User, method: str
) -> None:
    body = {"full_name": "Mallory"} if method == "PATCH" else None
    other = await as_bob.request(method, f"/users/{ann.id}", json=body)
    missing = await as_bob.request(method, f"/users/{ann.id + 1000}", json=body)

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()


async def test_superuser_reads_updates_and_deletes_any_user(
    as_root: AsyncClient, ann: User
) -> None:
    path = f"/users/{ann.id}"

    assert (await as_root.get(path)).json()["full_name"] == "Ann"
    promoted = {"is_superuser": True}
    assert (await as_root.patch(path, json=promoted)).json()["code"] == "current_password"
    assert (await as_root.patch(path, json=promoted | CONFIRMED)).json()["is_superuser"]
    assert (await as_root.delete(path)).status_code == 204
    assert (await as_root.get(path)).status_code == 404


async def test_user_with_an_unverified_email_cannot_become_a_superuser(
    as_root: AsyncClient, unverified_ann: User
) -> None:
    body = {"is_superuser": True} | CONFIRMED

    response = await as_root.patch(f"/users/{unverified_ann.id}", json=body)

    assert (response.status_code, response.json()["code"]) == (409, "unverified_user")


@pytest.mark.parametrize("right", ["is_superuser", "is_active"])
async def test_users_cannot_change_their_own_privileges(
    as_ann: AsyncClient, ann: User, right: str
) -> None:
    assert (await as_ann.patch(f"/users/{ann.id}", json={right: True})).status_code == 403
    assert (await as_ann.patch("/users/me", json={right: True})).status_code == 422


def test_fields_of_the_schema_for_superusers_are_the_ones_that_users_cannot_set() -> None:
    assert {"is_active", "is_superuser"} <= ADMIN_FIELDS
    assert not ADMIN_FIELDS & UserUpdate.model_fields.keys()
    assert UserAdminUpdate.model_fields.keys() >= ADMIN_FIELDS


async def test_deactivation_ends_sessions_for_good(
    as_ann: AsyncClient, as_root: AsyncClient, ann: User
) -> None:
    await as_root.patch(f"/users/{ann.id}", json={"is_active": False})
    assert (await as_ann.get("/users/me")).status_code == 401

    await as_root.patch(f"/users/{ann.id}", json={"is_active": True})
    assert (await as_ann.get("/users/me")).status_code == 401  # the old session stays ended


async def test_deleted_user_is_logged_out(as_ann: AsyncClient) -> None:
    assert (await as_ann.delete("/users/me")).status_code == 422
    wrong = {"current_password": NEW_PASSWORD}
    assert (await as_ann.request("DELETE", "/users/me", json=wrong)).status_code == 403
    assert (await as_ann.get("/users/me")).is_success

    assert (await as_ann.request("DELETE", "/users/me", json=CONFIRMED)).status_code == 204
    assert (await as_ann.get("/users/me")).status_code == 401


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"q": "ANN"}, ["ann"]),
        ({"q": "example.com", "sort": "-id"}, ["off", "root", "ann"]),
        ({"q": "Annette"}, []),
        ({"is_active": False}, ["off"]),
        ({"is_superuser": True}, ["root"]),
        ({"is_active": True, "is_superuser": False}, ["ann"]),
    ],
)
@pytest.mark.usefixtures("ann")
async def test_users_are_filtered_and_sorted(
    as_root: AsyncClient, make_user: MakeUser, params: dict[str, str | bool], found: list[str]
) -> None:
    await make_user("off", is_active=False)

    response = await as_root.get("/users/", params=params)

    assert [user["email"].partition("@")[0] for user in response.json()] == found


async def test_user_id_is_never_reused(
    as_root: AsyncClient, make_user: MakeUser, log_in: LogIn
) -> None:
    old = await make_user("old")
    as_old = await log_in(old)
    await as_root.delete(f"/users/{old.id}")

    new = await make_user("new")

    assert new.id > old.id
    assert (await as_old.get("/users/me")).status_code == 401


@pytest.mark.parametrize("field", ["is_active", "is_superuser"])
async def test_privilege_must_not_be_null(as_root: AsyncClient, ann: User, field: str) -> None:
    response = await as_root.patch(f"/users/{ann.id}", json={field: None})

    assert response.status_code == 422


async def test_row_inserted_by_sql_gets_the_server_defaults(db: AsyncSession) -> None:
    statement = "INSERT INTO users (email, full_name, hashed_password) VALUES ('a@b.c', 'A', '')"
    await db.execute(text(statement))

    user = (await db.scalars(select(User).where(User.email == "a@b.c"))).one()

    assert (user.is_active, user.is_superuser, user.is_verified) == (True, False, False)
    assert user.created_at.tzinfo is not None


async def test_deleting_ones_own_account_by_its_id_requires_the_password(
    as_ann: AsyncClient, ann: User
) -> None:
    response = await as_ann.delete(f"/users/{ann.id}")

    assert response.json()["code"] == "current_password"
    assert (await as_ann.get("/users/me")).is_success
