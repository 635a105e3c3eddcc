"""JSON bodies: a bounded number of values, no field twice, small responses to large mistakes."""

import json
from typing import Annotated

import pytest
from fastapi import Form
from httpx2 import AsyncClient
from pydantic import BaseModel

from app.api.json_body import MAX_NAMES, MAX_VALUES
from app.api.routing import Router
from app.main import create_app
from tests.helpers import NEW_USER, client_for

JSON = {"Content-Type": "application/json"}
TOO_MANY = "too_many_values"


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (b'{"email": "a@example.com", "email": "b@example.com"}', 422, "email"),
        (b'{"x": {"y": 1, "y": 2}}', 422, "y"),
        (b'{"\\ud800": 1, "\\ud800": 2}', 422, "?"),
        (b'{"' + b"n" * 5000 + b'": 1, "' + b"n" * 5000 + b'": 2}', 422, "nnn"),
        (b"[" * MAX_VALUES, 400, "body"),
        (b'{"a":' * (MAX_VALUES - 1), 400, "body"),
    ],
)
async def test_json_with_a_duplicate_field_or_too_much_nesting_is_rejected(
    client: AsyncClient, body: bytes, code: int, named: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users/", content=body, headers=headers)

    assert response.status_code == code
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.json()["code"] == "duplicate_field") == (code == 422)
    assert named in response.json()["detail"]
    assert len(response.content) < 500


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (json.dumps(dict.fromkeys(map(str, range(MAX_NAMES + 1)))), TOO_MANY),
        (json.dumps(dict.fromkeys(map(str, range(MAX_NAMES)))), "request_validation"),
        (json.dumps([1] * (MAX_VALUES + 1)), TOO_MANY),
        (json.dumps([1] * (MAX_VALUES - 1)), "request_validation"),
        (json.dumps([[[[[1]]]]] * (MAX_VALUES // 4)), TOO_MANY),
        (json.dumps([{"a": {}}] * (MAX_VALUES // 2)), TOO_MANY),
        (json.dumps(["a,b"] * (MAX_VALUES + 1)), TOO_MANY),
        (json.dumps(['\\"'] * (MAX_VALUES + 1)), TOO_MANY),
        (json.dumps(NEW_USER | {"full_name": ',\\"' * MAX_VALUES}), "request_validation"),
        ('"' + '\\"' * 100_000 + "," * MAX_VALUES, "request_validation"),
        ('{"n' + "n" * 500_000 + '": 1}', "request_validation"),
    ],
)
async def test_body_has_a_bounded_number_of_values_and_a_small_response(
    client: AsyncClient, body: str, code: str
) -> None:
    response = await client.post("/users/", content=body, headers=JSON)

    assert (response.status_code, response.json()["code"]) == (422, code)
    assert len(response.content) < 3000


class Part(BaseModel):
    """Something with a required field."""

    number: int


router = Router()


@router.post("/parts")
async def create_parts(parts: list[Part]) -> int:
    """Accept a list."""
    return len(parts)


@router.post("/notes")
async def create_note(text: Annotated[str, Form()]) -> str:
    """Accept a form."""
    return text


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/parts", "application/json", json.dumps([{}] * (MAX_VALUES // 2 - 1))),
        ("/parts", "application/json", json.dumps([{"x" * 50_000: 1}] * 10)),
        ("/notes", "application/x-www-form-urlencoded", "&".join(f"n{n}=1" for n in range(20_000))),
        ("/notes", "application/x-www-form-urlencoded", "n" * 500_000 + "=1"),
        ("/notes?" + "&".join(f"n{n}=1" for n in range(5000)), "application/json", ""),
        ("/notes?" + "n" * 50_000, "application/json", ""),
    ],
)
async def test_response_does_not_grow_with_the_number_of_mistakes(
    path: str, content_type: str, body: str
) -> None:
    app = create_app()
    app.include_router(router)
    async with client_for(app) as client:
        response = await client.post(path, content=body, headers={"Content-Type": content_type})

    assert response.status_code in {400, 422}
    assert len(response.content) < 3000


async def test_number_of_values_is_that_of_the_message(client: AsyncClient) -> None:
    response = await client.post("/users/", content=json.dumps([1] * 20_000), headers=JSON)

    assert f"{MAX_VALUES} values, or {MAX_NAMES} names" in response.json()["detail"]
