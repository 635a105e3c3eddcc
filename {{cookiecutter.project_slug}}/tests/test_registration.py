"""Registration."""

import unicodedata
from typing import Literal

import pytest
from httpx2 import AsyncClient

from app.models import User
from tests.conftest import OverrideSettings
from tests.helpers import NEW_USER, PASSWORD

FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
NEW = NEW_USER | {"email": "newuser@example.com", "full_name": "New User"}


async def test_registration_returns_the_user_without_the_password(client: AsyncClient) -> None:
    response = await client.post("/users/", json=NEW)

    assert response.status_code == 201
    user = response.json()
    assert user.pop("id") > 0
    assert user.pop("created_at").endswith("Z")
    assert (
        user.items()
        >= {
            "email": "newuser@example.com",
            "full_name": "New User",
            "is_active": True,
            "is_superuser": False,
            "is_verified": False,
            "updated_at": None,
        }.items()
    )
    assert NEW["password"] not in response.text
    assert "hash" not in response.text


@pytest.mark.parametrize(
    "email", ["ANN@Example.COM", "  ann@example.com ", "Ann <ann@example.com>"]
)
async def test_registration_with_another_spelling_of_a_registered_email_is_409(
    client: AsyncClient, ann: User, email: str
) -> None:
    response = await client.post("/users/", json=NEW | {"email": email})

    assert response.status_code == 409
    assert response.json()["detail"] == "A user with this email already exists."
    form = {"username": email, "password": PASSWORD}
    assert (await client.post("/auth/login", data=form)).status_code == 200
    assert ann.email == "ann@example.com"


@pytest.mark.parametrize(
    "email",
    ["none", "ann@", "\uff41nn@example.com", "an\0n@example.com", "=?utf-8?q?b?=@example.com", 7],
)
async def test_invalid_email_is_rejected(client: AsyncClient, email: object) -> None:
    response = await client.post("/users/", json=NEW | {"email": email})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "email"]


@pytest.mark.parametrize("full_name", ["", "   ", "x" * 101, "a\nb", "a\0b", None])
async def test_full_name_must_be_one_line_of_up_to_100_characters(
    client: AsyncClient, full_name: str | None
) -> None:
    response = await client.post("/users/", json=NEW | {"full_name": full_name})

    assert response.status_code == 422


@pytest.mark.parametrize("field", ["is_superuser", "is_active", "id", "hashed_password"])
async def test_registration_with_privileged_fields_is_rejected(
    client: AsyncClient, field: str
) -> None:
    response = await client.post("/users/", json=NEW | {field: True})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", field]


async def test_closed_registration_is_403(
    client: AsyncClient, override_settings: OverrideSettings
) -> None:
    override_settings(REGISTRATION_OPEN=False)

    assert (await client.post("/users/", json=NEW)).status_code == 403


async def test_email_is_normalized_to_nfc(client: AsyncClient) -> None:
    composed, decomposed = (unicodedata.normalize(form, "josé@example.com") for form in FORMS)

    assert (await client.post("/users/", json=NEW | {"email": decomposed})).status_code == 201
    assert (await client.post("/users/", json=NEW | {"email": composed})).status_code == 409
