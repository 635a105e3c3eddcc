"""Account changes: profile, email and password of a PATCH."""

import json
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import passwords
from app.models import User, UserSession
from app.services import account_service, user_service
from app.services.user_service import UserService
from tests.conftest import LogIn
from tests.helpers import CONFIRMED, NEW_PASSWORD, PASSWORD, while_verifying

CHANGED: dict[str, object] = {"email": "new@example.com", "is_superuser": False}


def _form(email: str = "ann@example.com", password: str = PASSWORD) -> dict[str, str]:
    return {"username": email, "password": password}


async def test_account_update_changes_only_the_sent_fields(as_ann: AsyncClient) -> None:
    before = (await as_ann.get("/users/me")).json()

    after = (await as_ann.patch("/users/me", json={"full_name": "Ann Lee"})).json()

    assert after.pop("updated_at") >= before["created_at"]
    assert after == {name: before[name] for name in after} | {"full_name": "Ann Lee"}


async def test_password_change_replaces_the_password_and_ends_sessions(
    as_ann: AsyncClient, client: AsyncClient
) -> None:
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}
    response = await as_ann.patch("/users/me", json=body)

    assert response.status_code == 200
    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await client.post("/auth/login", data=_form())).status_code == 401
    assert (await client.post("/auth/login", data=_form(password=NEW_PASSWORD))).is_success


@pytest.mark.parametrize("field", ["email", "full_name", "password", "current_password"])
async def test_null_is_rejected_in_a_patch(as_ann: AsyncClient, field: str) -> None:
    response = await as_ann.patch("/users/me", json={field: None})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", field]


@pytest.mark.parametrize("change", [{"password": NEW_PASSWORD}, {"email": "new@example.com"}])
@pytest.mark.parametrize("confirmation", [{}, {"current_password": "Wrong1Horse"}])
async def test_email_or_password_change_requires_the_current_password(
    as_ann: AsyncClient, ann: User, change: dict[str, str], confirmation: dict[str, str]
) -> None:
    for path in ("/users/me", f"/users/{ann.id}"):
        response = await as_ann.patch(path, json=change | confirmation)
        assert response.status_code == 403
        assert "current_password" in response.json()["detail"]

    right = {"current_password": PASSWORD}
    assert (await as_ann.patch("/users/me", json=change | right)).status_code == 200


async def test_superuser_sets_the_password_of_another_user(
    as_root: AsyncClient, as_ann: AsyncClient, ann: User, client: AsyncClient
) -> None:
    body = {"password": NEW_PASSWORD}
    unconfirmed = await as_root.patch(f"/users/{ann.id}", json=body)
    assert unconfirmed.json()["code"] == "current_password"

    await as_root.patch(f"/users/{ann.id}", json=body | CONFIRMED)

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await client.post("/auth/login", data=_form(password=NEW_PASSWORD))).is_success


async def test_current_password_with_a_lone_surrogate_is_wrong(as_ann: AsyncClient) -> None:
    body = json.dumps({"email": "new@example.com", "current_password": "\ud800"})
    headers = {"Content-Type": "application/json"}

    assert (await as_ann.patch("/users/me", content=body, headers=headers)).status_code == 403


async def test_password_change_fails_if_the_password_was_changed_meanwhile(
    as_ann: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        ann.hashed_password = passwords.context.hash("Faster1Horse")
        await db.commit()

    while_verifying(monkeypatch, account_service, change)
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}

    assert (await as_ann.patch("/users/me", json=body)).status_code == 403


async def test_superuser_needs_the_current_password_for_their_own_password(
    as_root: AsyncClient,
) -> None:
    me = (await as_root.get("/users/me")).json()["id"]

    for path in ("/users/me", f"/users/{me}"):
        assert (await as_root.patch(path, json={"password": NEW_PASSWORD})).status_code == 403


async def test_account_update_keeps_concurrent_changes_of_other_fields(
    as_ann: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        ann.full_name = "Changed Meanwhile"
        await db.commit()

    while_verifying(monkeypatch, account_service, change)
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}

    assert (await as_ann.patch("/users/me", json=body)).json()["full_name"] == "Changed Meanwhile"


async def test_account_update_applies_all_fields_or_none(
    as_ann: AsyncClient, as_bob: AsyncClient, ann: User, db: AsyncSession
) -> None:
    body = {"full_name": "New", "password": NEW_PASSWORD, "current_password": PASSWORD}

    taken = await as_ann.patch("/users/me", json=body | {"email": "bob@example.com"})

    assert taken.json()["code"] == "email_taken"
    assert (await as_bob.get("/users/me")).is_success
    await db.refresh(ann)
    assert ann.full_name == "Ann"
    assert (await passwords.verify_password(PASSWORD, ann.hashed_password)).is_correct


async def test_update_of_a_user_who_was_deleted_meanwhile_is_a_409(
    as_root: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_password = passwords.hash_password

    async def delete_meanwhile(password: str) -> str:
        await db.delete(ann)
        await db.commit()
        return await hash_password(password)

    monkeypatch.setattr(user_service, "hash_password", delete_meanwhile)

    body = {"password": NEW_PASSWORD} | CONFIRMED
    response = await as_root.patch(f"/users/{ann.id}", json=body)

    assert response.json()["code"] == "concurrent_change"


async def test_full_hash_queue_does_not_consume_the_password_confirmation_rate_limit(
    as_ann: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}
    with monkeypatch.context() as overloaded:
        overloaded.setattr("app.core.passwords.MAX_QUEUE_LENGTH_PER_CLIENT", 0)
        for _ in range(6):
            assert (await as_ann.patch("/users/me", json=body)).status_code == 503

    assert (await as_ann.patch("/users/me", json=body)).status_code == 200


@pytest.mark.parametrize("lost", ["is_active", "is_superuser"])
async def test_actor_who_lost_privileges_while_a_password_was_verified_changes_nothing(
    as_root: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    async def lose() -> None:
        await db.execute(update(User).where(User.is_superuser).values({lost: False}))
        await db.commit()

    while_verifying(monkeypatch, account_service, lose)
    response = await as_root.patch(f"/users/{ann.id}", json={"is_superuser": True} | CONFIRMED)

    assert response.status_code == {"is_active": 401, "is_superuser": 403}[lost]
    await db.refresh(ann)
    assert not ann.is_superuser


async def test_actor_whose_session_ended_while_a_password_was_verified_changes_nothing(
    as_ann: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end() -> None:
        await db.execute(delete(UserSession))
        await db.commit()

    while_verifying(monkeypatch, account_service, end)

    for request in (
        as_ann.patch("/users/me", json={"email": "new@example.com"} | CONFIRMED),
        as_ann.request("DELETE", "/users/me", json=CONFIRMED),
    ):
        assert (await request).status_code == 401
    await db.refresh(ann)
    assert ann.email == "ann@example.com"


async def test_wrong_current_passwords_of_one_session_do_not_lock_another(
    as_ann: AsyncClient, ann: User, log_in: LogIn
) -> None:
    stolen = await log_in(ann)
    wrong = {"email": "new@example.com", "current_password": NEW_PASSWORD}
    codes = [(await stolen.patch("/users/me", json=wrong)).status_code for _ in range(6)]

    assert codes == [403] * 5 + [429]
    assert (await as_ann.patch("/users/me", json=wrong | CONFIRMED)).is_success


async def test_change_to_the_same_values_is_not_hashed(
    as_ann: AsyncClient, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_password: str) -> str:
        raise AssertionError

    monkeypatch.setattr(user_service, "hash_password", fail)
    same_password = {"password": PASSWORD} | CONFIRMED

    assert (await as_ann.patch("/users/me", json={"email": ann.email})).is_success
    assert (await as_ann.patch("/users/me", json=same_password)).is_success
    assert (await as_ann.get("/users/me")).is_success


@pytest.mark.parametrize("field", ["email", "is_superuser"])
async def test_change_that_requires_the_password_after_all_is_rejected(
    as_root: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    ann.is_superuser = True
    await db.commit()
    lock = UserService.lock

    async def change_and_lock(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        await db.execute(update(User).where(User.id == ann.id).values({field: CHANGED[field]}))
        await db.commit()
        return await lock(*arguments, **options)

    body = {"email": ann.email} if field == "email" else {"is_superuser": True}
    monkeypatch.setattr(UserService, "lock", change_and_lock)

    response = await as_root.patch(f"/users/{ann.id}", json=body)

    assert response.json()["code"] == "current_password"


async def test_superuser_needs_the_password_to_change_the_email_of_another(
    as_root: AsyncClient, ann: User
) -> None:
    response = await as_root.patch(f"/users/{ann.id}", json={"email": "new@example.com"})

    assert response.json()["code"] == "current_password"
