"""Login: tokens for email and password, without revealing who is registered."""

import pytest
from httpx2 import AsyncClient
from passlib.hash import bcrypt
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core import passwords
from app.models import User
from app.services import account_service, auth_service
from tests.conftest import MakeUser, OverrideSettings
from tests.helpers import NEW_PASSWORD, NEW_USER, PASSWORD, Inbox, while_verifying

WRONG = {"username": "ann@example.com", "password": "Wrong1Horse"}
RIGHT = {"username": "ann@example.com", "password": PASSWORD}


async def test_login_returns_a_working_access_token(client: AsyncClient, ann: User) -> None:
    response = await client.post("/auth/login", data=RIGHT)

    assert response.status_code == 200
    token = response.json()
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60
    client.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert (await client.get("/users/me")).json()["id"] == ann.id


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("username", ["nobody@example.com", "no address", "\0", "x" * 10_000])
async def test_login_with_an_unknown_email_looks_like_a_wrong_password(
    client: AsyncClient, username: str
) -> None:
    unknown = await client.post("/auth/login", data=WRONG | {"username": username})
    wrong = await client.post("/auth/login", data=WRONG)

    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json() == wrong.json()
    assert unknown.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("password", ["\0", PASSWORD + "\0", "A1" + "b" * 10_000, "é" * 73, " "])
async def test_login_with_an_unusual_password_is_401_and_not_500(
    client: AsyncClient, password: str
) -> None:
    response = await client.post("/auth/login", data=RIGHT | {"password": password})

    assert response.status_code == 401


async def test_login_reports_an_inactive_user_only_if_the_password_is_correct(
    client: AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ann", is_active=False)

    assert (await client.post("/auth/login", data=WRONG)).status_code == 401
    response = await client.post("/auth/login", data=RIGHT)
    assert response.status_code == 403
    assert response.json()["detail"] == "Inactive user."


async def test_login_requires_a_verified_email_if_the_setting_says_so(
    client: AsyncClient, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(REQUIRE_VERIFIED_EMAIL=True)
    await client.post("/users/", json=NEW_USER)
    right = {"username": NEW_USER["email"], "password": NEW_USER["password"]}

    assert (await client.post("/auth/login", data=right | {"password": "x"})).status_code == 401
    response = await client.post("/auth/login", data=right)
    assert (response.status_code, response.json()["code"]) == (403, "email_not_verified")

    verification = {"token": inbox.token(), "current_password": NEW_USER["password"]}
    await client.post("/auth/email/verify", json=verification)
    assert (await client.post("/auth/login", data=right)).status_code == 200


async def test_password_reset_verifies_an_email_whose_verification_email_was_lost(
    client: AsyncClient, inbox: Inbox, override_settings: OverrideSettings
) -> None:
    override_settings(REQUIRE_VERIFIED_EMAIL=True)
    await client.post("/users/", json=NEW_USER)

    await client.post("/auth/password/forgot", json={"email": NEW_USER["email"]})
    reset = {"token": inbox.token(), "new_password": PASSWORD}
    assert (await client.post("/auth/password/reset", json=reset)).status_code == 204

    form = {"username": NEW_USER["email"], "password": PASSWORD}
    assert (await client.post("/auth/login", data=form)).status_code == 200


@pytest.mark.parametrize("password", [PASSWORD, "Ä1" + "b" * 98])
async def test_login_upgrades_a_bcrypt_hash_to_argon2(
    client: AsyncClient, db: AsyncSession, ann: User, password: str
) -> None:
    ann.hashed_password = bcrypt.using(rounds=4).hash(password.encode()[:72])
    await db.commit()

    assert (await client.post("/auth/login", data=WRONG)).status_code == 401
    assert (await client.post("/auth/login", data=RIGHT | {"password": password})).is_success

    await db.refresh(ann)
    assert ann.hashed_password.startswith("$argon2id$")
    assert (await client.post("/auth/login", data=RIGHT | {"password": password})).is_success


async def test_login_form_without_password_names_the_missing_field(client: AsyncClient) -> None:
    response = await client.post("/auth/login", data={"username": "ann@example.com"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "password"]


async def test_login_fails_if_the_password_is_changed_meanwhile(
    client: AsyncClient, db: AsyncSession, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        ann.hashed_password = passwords.context.hash(NEW_PASSWORD)
        await db.commit()

    while_verifying(monkeypatch, auth_service, change)

    assert (await client.post("/auth/login", data=RIGHT)).status_code == 401


async def test_login_response_must_not_be_cached(client: AsyncClient, ann: User) -> None:
    response = await client.post("/auth/login", data=RIGHT | {"username": ann.email})

    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()["refresh_token"]


async def test_login_and_reset_request_execute_the_same_sql_for_known_and_unknown_emails(
    client: AsyncClient, ann: User, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []

    async def send_reset(email: str) -> None:
        requested.append(email)

    monkeypatch.setattr(account_service, "_send_reset", send_reset)
    work = []
    for email in (ann.email, "nobody@example.com"):
        statements.clear()
        await client.post("/auth/login", data=WRONG | {"username": email})
        await client.post("/auth/password/forgot", json={"email": email})
        work.append([statement.split()[0] for statement in statements])

    assert work[0] == work[1]
    assert requested == [ann.email, "nobody@example.com"]


async def test_login_with_a_json_body_says_that_it_expects_a_form(client: AsyncClient) -> None:
    response = await client.post("/auth/login", json=RIGHT)

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"
    assert "form" in response.json()["detail"]
    assert "application/x-www-form-urlencoded" in response.json()["detail"]


async def test_login_accepts_the_parameters_of_an_oauth2_client(
    client: AsyncClient, ann: User
) -> None:
    oauth2 = {"grant_type": "password", "scope": "", "client_id": "app", "client_secret": ""}

    assert (await client.post("/auth/login", data=RIGHT | oauth2)).is_success
    other = RIGHT | oauth2 | {"grant_type": "client_credentials", "username": ann.email}
    assert (await client.post("/auth/login", data=other)).status_code == 422
