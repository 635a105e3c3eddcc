"""Password policy: the same rules wherever a password is set."""

import json

import pytest
from httpx2 import AsyncClient

from app.config import settings
from app.core.password_policy import COMMON_PASSWORDS, MAX_PASSWORD_LENGTH, MIN_HINT_LENGTH
from tests.conftest import OverrideSettings
from tests.helpers import NEW_USER, PASSWORD

NEW = NEW_USER | {"email": "newuser@example.com", "full_name": "New User"}


@pytest.fixture(autouse=True)
def _settings(override_settings: OverrideSettings) -> None:
    override_settings(PASSWORD_MIN_LENGTH=8)


def test_block_list_of_common_passwords_has_thousands_of_entries() -> None:
    assert len(COMMON_PASSWORDS) > 3000


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("Short1", "8 to 100 characters"),
        ("Long1" * 21, "8 to 100 characters"),
        ("lowercase1", "an uppercase letter"),
        ("UPPERCASE1", "a lowercase letter"),
        ("NoDigitHere", "a digit"),
        ("Password1", "is too common"),
        ("iLoveYou1", "is too common"),
    ],
)
async def test_weak_password_is_rejected_with_the_broken_rule(
    client: AsyncClient, password: str, rule: str
) -> None:
    response = await client.post("/users/", json=NEW | {"password": password})

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["loc"] == ["body", "password"]
    assert rule in error["msg"]
    assert password not in response.text


@pytest.mark.parametrize("password", ["Påsswörd-1" + "é" * 90, "Correct Horse 1", "Ünïcödé-7A"])
async def test_long_and_unicode_passwords_are_accepted(client: AsyncClient, password: str) -> None:
    await client.post("/users/", json=NEW | {"password": password})

    form = {"username": NEW["email"], "password": password}
    assert (await client.post("/auth/login", data=form)).status_code == 200
    form["password"] = password[:-1]
    assert (await client.post("/auth/login", data=form)).status_code == 401


@pytest.mark.parametrize(
    "password",
    ["Ann-Newuser1", "x-NEWUSERx1", f"{settings.PROJECT_NAME}-Xy1", "Newton-1Xy", "Isaac.Newton1"],
)
async def test_password_must_not_contain_name_email_or_service(
    client: AsyncClient, password: str
) -> None:
    body = NEW | {"full_name": "Isaac Newton", "password": password}

    response = await client.post("/users/", json=body)

    assert response.status_code == 422
    assert "password" in response.json()["detail"]


@pytest.mark.parametrize("password", ["Abcdef12\ud800", "Abcdef12\0", "Abcdef12\n"])
async def test_password_with_control_characters_is_rejected(
    client: AsyncClient, password: str
) -> None:
    body = json.dumps(NEW | {"password": password})
    headers = {"Content-Type": "application/json"}

    assert (await client.post("/users/", content=body, headers=headers)).status_code == 422


async def test_password_change_enforces_the_policy(as_ann: AsyncClient) -> None:
    body = {"password": "aaaaaaaa", "current_password": PASSWORD}
    assert (await as_ann.patch("/users/me", json=body)).status_code == 422


async def test_new_password_must_not_contain_the_new_name(
    as_ann: AsyncClient,
) -> None:
    body = {"full_name": "Different", "password": "Different1Name", "current_password": PASSWORD}

    codes = [(await as_ann.patch("/users/me", json=body)).status_code for _ in range(6)]

    assert codes == [422] * 6  # and none consumed the rate limit


def test_password_has_at_most_100_characters_and_hints_at_least_4() -> None:
    assert (MAX_PASSWORD_LENGTH, MIN_HINT_LENGTH) == (100, 4)


async def test_minimum_password_length_is_a_setting(
    client: AsyncClient, override_settings: OverrideSettings
) -> None:
    override_settings(PASSWORD_MIN_LENGTH=20)
    short, long = "Zyxwvuts-Zyxwvuts-1", "Zyxwvuts-Zyxwvuts-12"

    responses = [await client.post("/users/", json=NEW | {"password": p}) for p in (short, long)]

    assert [response.status_code for response in responses] == [422, 201]
    assert responses[0].json()["errors"][0]["msg"] == "must have 20 to 100 characters"


@pytest.mark.parametrize(("password", "status"), [("Zyxwv-1", 422), ("Zyxwvu-1", 201)])
async def test_password_of_the_minimum_length_is_accepted(
    client: AsyncClient, password: str, status: int
) -> None:
    response = await client.post("/users/", json=NEW | {"password": password})

    assert response.status_code == status
