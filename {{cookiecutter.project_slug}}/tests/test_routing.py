"""Routing: trailing slashes."""

import pytest
from httpx2 import AsyncClient


@pytest.mark.parametrize("path", ["/users", "/users/"])
async def test_collection_is_served_with_and_without_trailing_slash(
    as_root: AsyncClient, path: str
) -> None:
    assert (await as_root.get(path, headers={"Host": "evil.example"})).status_code == 200
