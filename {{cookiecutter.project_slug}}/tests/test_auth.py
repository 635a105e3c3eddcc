"""Logging in."""

import pytest
from httpx2 import AsyncClient
from passlib.hash import bcrypt
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import passwords
from app.models import User
from app.services import auth_service
from tests.conftest import PASSWORD, MakeUser, while_verifying

WRONG = {"username": "ann@example.com", "password": "Wrong1Horse"}
RIGHT = {"username": "ann@example.com", "password": PASSWORD}


async def test_a_login_answers_with_a_token_that_works(client: AsyncClient, ann: User) -> None:
    response = await client.post("/auth/login", data=RIGHT)

    assert response.status_code == 200
    token = response.json()
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 30 * 60
    client.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert (await client.get("/users/me")).json()["id"] == ann.id


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("username", ["nobody@example.com", "no address", "\0", "x" * 10_000])
async def test_an_unknown_user_looks_like_a_wrong_password(
    client: AsyncClient, username: str
) -> None:
    unknown = await client.post("/auth/login", data=WRONG | {"username": username})
    wrong = await client.post("/auth/login", data=WRONG)

    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json() == wrong.json()
    assert unknown.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("password", ["\0", PASSWORD + "\0", "A1" + "b" * 10_000, "é" * 73, " "])
async def test_a_strange_password_is_a_wrong_one(client: AsyncClient, password: str) -> None:
    response = await client.post("/auth/login", data=RIGHT | {"password": password})

    assert response.status_code == 401


async def test_inactive_is_said_only_to_who_knows_the_password(
    client: AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ann", is_active=False)

    assert (await client.post("/auth/login", data=WRONG)).status_code == 401
    response = await client.post("/auth/login", data=RIGHT)
    assert response.status_code == 403
    assert response.json()["detail"] == "Inactive user."


@pytest.mark.parametrize("password", [PASSWORD, "Ä1" + "b" * 98])
async def test_a_bcrypt_hash_is_replaced_at_login(
    client: AsyncClient, db: AsyncSession, ann: User, password: str
) -> None:
    ann.hashed_password = bcrypt.using(rounds=4).hash(password.encode()[:72])
    await db.commit()

    assert (await client.post("/auth/login", data=WRONG)).status_code == 401
    assert (await client.post("/auth/login", data=RIGHT | {"password": password})).is_success

    await db.refresh(ann)
    assert ann.hashed_password.startswith("$argon2id$")
    assert (await client.post("/auth/login", data=RIGHT | {"password": password})).is_success


async def test_a_form_without_password_names_the_field(client: AsyncClient) -> None:
    response = await client.post("/auth/login", data={"username": "ann@example.com"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "password"]


async def test_the_token_must_come_in_one_authorization_header(as_ann: AsyncClient) -> None:
    authorization = as_ann.headers.pop("Authorization")
    token = authorization.removeprefix("Bearer ")
    twice = [("Authorization", authorization)] * 2

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_ann.get("/users/me", params={"access_token": token})).status_code == 401
    assert (await as_ann.get("/users/me", headers=twice)).status_code == 401
    assert (await as_ann.get("/users/me", headers={"Authorization": f"Basic {token}"})).is_error
    assert (await as_ann.get("/users/me", headers={"Authorization": f"bearer {token}"})).is_success


async def test_a_password_that_changes_during_the_login_is_wrong(
    client: AsyncClient, db: AsyncSession, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        ann.hashed_password = passwords.context.hash("Another1Horse")
        await db.commit()

    while_verifying(monkeypatch, auth_service, change)

    assert (await client.post("/auth/login", data=RIGHT)).status_code == 401


async def test_a_login_is_never_stored_by_a_cache(client: AsyncClient, ann: User) -> None:
    response = await client.post("/auth/login", data=RIGHT | {"username": ann.email})

    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()["refresh_token"]
