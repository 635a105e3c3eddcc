"""Routing: trailing slashes, and strict JSON bodies."""

import pytest
from httpx2 import AsyncClient


@pytest.mark.parametrize("path", ["/users", "/users/"])
async def test_collection_is_served_with_and_without_trailing_slash(
    as_root: AsyncClient, path: str
) -> None:
    assert (await as_root.get(path, headers={"Host": "evil.example"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (b'{"email": "a@example.com", "email": "b@example.com"}', 422, "email"),
        (b'{"x": {"y": 1, "y": 2}}', 422, "y"),
        (b'{"\\ud800": 1, "\\ud800": 2}', 422, "?"),
        (b'{"' + b"n" * 5000 + b'": 1, "' + b"n" * 5000 + b'": 2}', 422, "nnn"),
        (b"[" * 100_000, 400, "body"),
        (b'{"a":' * 100_000, 400, "body"),
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
