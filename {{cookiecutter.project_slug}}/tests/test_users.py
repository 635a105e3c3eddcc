"""Registration, one's own account, and everyone's for superusers."""

import json
import unicodedata
from itertools import pairwise
from typing import Literal

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core import passwords
from app.models import User
from app.services import user_service
from tests.conftest import PASSWORD, LogIn, MakeUser, while_verifying

FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
NEW = {"email": "newuser@example.com", "full_name": "New User", "password": "SecurePass123"}


async def test_a_new_user_is_shown_without_the_password(client: AsyncClient) -> None:
    response = await client.post("/users/", json=NEW)

    assert response.status_code == 201
    user = response.json()
    assert user.pop("id") > 0
    assert user.pop("created_at").endswith("Z")
    assert user == {
        "email": "newuser@example.com",
        "full_name": "New User",
        "is_active": True,
        "is_superuser": False,
        "is_verified": False,
        "updated_at": None,
    }


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("Short1", "8 to 100 characters"),
        ("Long1" * 21, "8 to 100 characters"),
        ("lowercase1", "an uppercase letter"),
        ("UPPERCASE1", "a lowercase letter"),
        ("NoDigitHere", "a digit"),
        ("Password1", "not be one of the commonest"),
        ("iLoveYou1", "not be one of the commonest"),
    ],
)
async def test_a_weak_password_is_refused_with_the_rule_and_not_repeated(
    client: AsyncClient, password: str, rule: str
) -> None:
    response = await client.post("/users/", json=NEW | {"password": password})

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["loc"] == ["body", "password"]
    assert rule in error["msg"]
    assert password not in response.text


@pytest.mark.parametrize("password", ["Påsswörd1" + "é" * 91, "Correct Horse 1", "Ünïcödé7A"])
async def test_long_passwords_spaces_and_any_script_are_welcome(
    client: AsyncClient, password: str
) -> None:
    await client.post("/users/", json=NEW | {"password": password})

    form = {"username": NEW["email"], "password": password}
    assert (await client.post("/auth/login", data=form)).status_code == 200
    form["password"] = password[:-1]
    assert (await client.post("/auth/login", data=form)).status_code == 401


@pytest.mark.parametrize(
    "email", ["ANN@Example.COM", "  ann@example.com ", "Ann <ann@example.com>"]
)
async def test_an_address_has_one_account_however_it_is_spelled(
    client: AsyncClient, ann: User, email: str
) -> None:
    response = await client.post("/users/", json=NEW | {"email": email})

    assert response.status_code == 409
    assert response.json()["detail"] == "A user with this email already exists."
    assert (await client.post("/auth/login", data=_form(email))).status_code == 200
    assert ann.email == "ann@example.com"


@pytest.mark.parametrize(
    "email",
    ["none", "ann@", "\uff41nn@example.com", "an\0n@example.com", "=?utf-8?q?b?=@example.com", 7],
)
async def test_what_is_no_address_is_refused(client: AsyncClient, email: object) -> None:
    response = await client.post("/users/", json=NEW | {"email": email})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "email"]


@pytest.mark.parametrize("full_name", ["", "   ", "x" * 101, "a\nb", "a\0b", None])
async def test_a_name_is_one_line_of_up_to_100_characters(
    client: AsyncClient, full_name: str | None
) -> None:
    response = await client.post("/users/", json=NEW | {"full_name": full_name})

    assert response.status_code == 422


@pytest.mark.parametrize("field", ["is_superuser", "is_active", "id", "hashed_password"])
async def test_nobody_registers_with_rights(client: AsyncClient, field: str) -> None:
    response = await client.post("/users/", json=NEW | {field: True})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", field]


async def test_the_list_of_users_is_for_superusers(
    client: AsyncClient, as_ann: AsyncClient, as_root: AsyncClient
) -> None:
    assert (await client.get("/users/")).status_code == 401
    assert (await as_ann.get("/users/")).status_code == 403

    emails = [user["email"] for user in (await as_root.get("/users/")).json()]
    assert emails == ["ann@example.com", "root@example.com"]


async def test_a_page_of_users_is_a_part_of_the_list(
    as_root: AsyncClient, make_user: MakeUser
) -> None:
    for name in "abc":
        await make_user(name)

    page = (await as_root.get("/users/", params={"skip": 1, "limit": 2})).json()

    assert [user["email"] for user in page] == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize("query", ["skip=-1", "limit=0", "limit=101", f"skip={2**63}", "lmit=1"])
async def test_a_page_has_bounds(as_root: AsyncClient, query: str) -> None:
    response = await as_root.get(f"/users/?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", query.split("=", maxsplit=1)[0]]


async def test_users_see_themselves(as_ann: AsyncClient, ann: User) -> None:
    me = (await as_ann.get("/users/me")).json()

    assert me["email"] == "ann@example.com"
    assert me == (await as_ann.get(f"/users/{ann.id}")).json()


async def test_users_change_what_they_send_and_nothing_else(as_ann: AsyncClient) -> None:
    before = (await as_ann.get("/users/me")).json()

    after = (await as_ann.patch("/users/me", json={"full_name": "Ann Lee"})).json()

    assert after.pop("updated_at") >= before["created_at"]
    assert after == {name: before[name] for name in after} | {"full_name": "Ann Lee"}


async def test_a_new_password_takes_the_place_of_the_old_one(
    as_ann: AsyncClient, client: AsyncClient
) -> None:
    body = {"password": "Another1Horse", "current_password": PASSWORD}
    response = await as_ann.patch("/users/me", json=body)

    assert response.status_code == 200
    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await client.post("/auth/login", data=_form())).status_code == 401
    assert (await client.post("/auth/login", data=_form(password="Another1Horse"))).is_success


@pytest.mark.parametrize("field", ["email", "full_name", "password", "current_password"])
async def test_null_is_not_a_value(as_ann: AsyncClient, field: str) -> None:
    response = await as_ann.patch("/users/me", json={field: None})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", field]


@pytest.mark.parametrize("change", [{"password": "Another1Horse"}, {"email": "new@example.com"}])
@pytest.mark.parametrize("confirmation", [{}, {"current_password": "Wrong1Horse"}])
async def test_how_to_log_in_changes_only_with_the_current_password(
    as_ann: AsyncClient, ann: User, change: dict[str, str], confirmation: dict[str, str]
) -> None:
    for path in ("/users/me", f"/users/{ann.id}"):
        response = await as_ann.patch(path, json=change | confirmation)
        assert response.status_code == 403
        assert "current_password" in response.json()["detail"]

    right = {"current_password": PASSWORD}
    assert (await as_ann.patch("/users/me", json=change | right)).status_code == 200


async def test_a_superuser_sets_a_password_without_knowing_the_old_one(
    as_root: AsyncClient, as_ann: AsyncClient, ann: User, client: AsyncClient
) -> None:
    await as_root.patch(f"/users/{ann.id}", json={"password": "Another1Horse"})

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await client.post("/auth/login", data=_form(password="Another1Horse"))).is_success


@pytest.mark.parametrize(
    "password", ["Ann-Newuser1", "xNEWUSERx1", "FastApi-Project1", "Newton1Xy", "Isaac.Newton1"]
)
async def test_a_password_is_not_made_of_what_is_known_about_its_owner(
    client: AsyncClient, password: str
) -> None:
    body = NEW | {"full_name": "Isaac Newton", "password": password}

    response = await client.post("/users/", json=body)

    assert response.status_code == 422
    assert "password" in response.json()["detail"]


@pytest.mark.parametrize("password", ["Abcdef12\ud800", "Abcdef12\0", "Abcdef12\n"])
async def test_a_password_that_is_no_text_is_refused(client: AsyncClient, password: str) -> None:
    body = json.dumps(NEW | {"password": password})
    headers = {"Content-Type": "application/json"}

    assert (await client.post("/users/", content=body, headers=headers)).status_code == 422


async def test_a_confirmation_that_is_no_text_is_wrong(as_ann: AsyncClient) -> None:
    body = json.dumps({"email": "new@example.com", "current_password": "\ud800"})
    headers = {"Content-Type": "application/json"}

    assert (await as_ann.patch("/users/me", content=body, headers=headers)).status_code == 403


async def test_mails_of_new_addresses_are_limited(
    as_ann: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings.model_copy(update={"MAIL_LIMIT_PER_ACCOUNT": "2/60"})
    monkeypatch.setattr(user_service, "settings", limited)
    codes = []
    for number in range(3):
        body = {"email": f"new{number}@example.com", "current_password": PASSWORD}
        codes.append((await as_ann.patch("/users/me", json=body)).status_code)

    assert codes == [200, 200, 429]


async def test_a_change_of_password_that_came_too_late_is_refused(
    as_ann: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        ann.hashed_password = passwords.context.hash("Faster1Horse")
        await db.commit()

    while_verifying(monkeypatch, user_service, change)
    body = {"password": "Another1Horse", "current_password": PASSWORD}

    assert (await as_ann.patch("/users/me", json=body)).status_code == 403


async def test_a_new_address_is_unproved_whatever_happened_meanwhile(
    as_ann: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        ann.is_verified = True  # the link to the old address was opened just now
        await db.commit()

    while_verifying(monkeypatch, user_service, change)
    body = {"email": "new@example.com", "current_password": PASSWORD}
    await as_ann.patch("/users/me", json=body)

    await db.refresh(ann)
    assert (ann.email, ann.is_verified) == ("new@example.com", False)


async def test_registration_can_be_closed(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = settings.model_copy(update={"REGISTRATION_OPEN": False})
    monkeypatch.setattr(user_service, "settings", closed)

    assert (await client.post("/users/", json=NEW)).status_code == 403


@pytest.mark.parametrize("change", [{"is_superuser": False}, {"is_active": False}])
async def test_the_last_superuser_has_to_stay(
    as_root: AsyncClient, make_user: MakeUser, change: dict[str, bool]
) -> None:
    me = (await as_root.get("/users/me")).json()["id"]
    await make_user("retired", is_superuser=True, is_active=False)

    assert (await as_root.patch(f"/users/{me}", json=change)).status_code == 409
    assert (await as_root.delete("/users/me")).status_code == 409
    assert (await as_root.delete(f"/users/{me}")).status_code == 409

    await make_user("second", is_superuser=True)
    assert (await as_root.patch(f"/users/{me}", json=change)).status_code == 200


async def test_the_policy_holds_for_a_new_password(as_ann: AsyncClient) -> None:
    body = {"password": "aaaaaaaa", "current_password": PASSWORD}
    assert (await as_ann.patch("/users/me", json=body)).status_code == 422


async def test_an_address_cannot_be_taken_over(as_ann: AsyncClient, as_bob: AsyncClient) -> None:
    body = {"email": "BOB@example.com", "current_password": PASSWORD}
    response = await as_ann.patch("/users/me", json=body)

    assert response.status_code == 409
    assert (await as_bob.get("/users/me")).is_success


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_someone_else_does_not_exist(as_bob: AsyncClient, ann: User, method: str) -> None:
    body = {"full_name": "Mallory"} if method == "PATCH" else None
    other = await as_bob.request(method, f"/users/{ann.id}", json=body)
    missing = await as_bob.request(method, f"/users/{ann.id + 1000}", json=body)

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()


async def test_superusers_read_change_and_delete_anyone(as_root: AsyncClient, ann: User) -> None:
    path = f"/users/{ann.id}"

    assert (await as_root.get(path)).json()["full_name"] == "Ann"
    assert (await as_root.patch(path, json={"is_superuser": True})).json()["is_superuser"]
    assert (await as_root.delete(path)).status_code == 204
    assert (await as_root.get(path)).status_code == 404


@pytest.mark.parametrize("right", ["is_superuser", "is_active"])
async def test_users_cannot_give_themselves_rights(
    as_ann: AsyncClient, ann: User, right: str
) -> None:
    assert (await as_ann.patch(f"/users/{ann.id}", json={right: True})).status_code == 403
    assert (await as_ann.patch("/users/me", json={right: True})).status_code == 422


async def test_a_deactivated_user_is_locked_out_at_once(
    as_ann: AsyncClient, as_root: AsyncClient, ann: User
) -> None:
    await as_root.patch(f"/users/{ann.id}", json={"is_active": False})
    assert (await as_ann.get("/users/me")).status_code == 401

    await as_root.patch(f"/users/{ann.id}", json={"is_active": True})
    assert (await as_ann.get("/users/me")).status_code == 401  # her old session stays dead


async def test_a_deleted_user_takes_all_items_along(
    as_ann: AsyncClient, as_root: AsyncClient
) -> None:
    item = (await as_ann.post("/items/", json={"title": "Mine"})).json()

    assert (await as_ann.delete("/users/me")).status_code == 204

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_root.get(f"/items/{item['id']}")).status_code == 404


async def test_an_id_is_never_given_out_twice(
    as_root: AsyncClient, make_user: MakeUser, log_in: LogIn
) -> None:
    old = await make_user("old")
    as_old = await log_in(old)
    await as_root.delete(f"/users/{old.id}")

    new = await make_user("new")

    assert new.id > old.id
    assert (await as_old.get("/users/me")).status_code == 401


def _form(email: str = "ann@example.com", password: str = PASSWORD) -> dict[str, str]:
    return {"username": email, "password": password}


@pytest.mark.parametrize("field", ["is_active", "is_superuser"])
async def test_a_right_is_not_null(as_root: AsyncClient, ann: User, field: str) -> None:
    response = await as_root.patch(f"/users/{ann.id}", json={field: None})

    assert response.status_code == 422


async def test_an_accent_in_an_address_may_be_typed_in_either_way(client: AsyncClient) -> None:
    composed, decomposed = (unicodedata.normalize(form, "josé@example.com") for form in FORMS)

    assert (await client.post("/users/", json=NEW | {"email": decomposed})).status_code == 201
    assert (await client.post("/users/", json=NEW | {"email": composed})).status_code == 409


async def test_a_superuser_confirms_a_change_of_the_own_password(as_root: AsyncClient) -> None:
    me = (await as_root.get("/users/me")).json()["id"]

    for path in ("/users/me", f"/users/{me}"):
        assert (await as_root.patch(path, json={"password": "Another1Horse"})).status_code == 403


async def test_a_new_password_is_not_made_of_what_is_new_about_its_owner(
    as_ann: AsyncClient,
) -> None:
    body = {"full_name": "Different", "password": "Different1Name", "current_password": PASSWORD}

    codes = [(await as_ann.patch("/users/me", json=body)).status_code for _ in range(6)]

    assert codes == [422] * 6  # and none was a try: the password was right


async def test_a_right_confirmation_takes_back_its_own_try(as_ann: AsyncClient) -> None:
    passwords = [PASSWORD, *(f"Another{n}Horse" for n in range(7))]
    pairs = [{"current_password": a, "password": b} for a, b in pairwise(passwords)]
    codes = []
    for body in pairs:
        codes.append((await as_ann.patch("/users/me", json=body)).status_code)
        form = {"username": "ann@example.com", "password": body["password"]}
        token = (await as_ann.post("/auth/login", data=form)).json()["access_token"]
        as_ann.headers["Authorization"] = f"Bearer {token}"

    assert codes == [200] * 7


async def test_wrong_confirmations_of_one_user_do_not_stop_another(
    as_ann: AsyncClient, as_bob: AsyncClient
) -> None:
    wrong = {"email": "new@example.com", "current_password": "Wrong1Horse"}
    for _ in range(6):
        await as_ann.patch("/users/me", json=wrong)

    right = {"password": "Another1Horse", "current_password": PASSWORD}
    assert (await as_bob.patch("/users/me", json=right)).is_success
