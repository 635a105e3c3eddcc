"""CORS."""

import pytest
from httpx2 import AsyncClient

from app.main import create_app
from tests.conftest import OverrideSettings
from tests.helpers import API, NEW_USER, client_for

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("http://localhost:3001", False),
        ("https://localhost:3000", False),
        ("http://evil.com", False),
        ("null", False),
    ],
)
async def test_cors_allows_configured_origins_only(
    bare_client: AsyncClient,
    origin: str,
    allowed: bool,
) -> None:
    preflight = {"Access-Control-Request-Method": "PATCH", "Origin": origin}
    responses = [
        await bare_client.get("/health/live", headers={"Origin": origin}),
        await bare_client.options(f"{API}/users/me", headers=preflight),
    ]

    for response in responses:
        assert (response.headers.get("Access-Control-Allow-Origin") == origin) == allowed
        assert response.headers["X-Request-ID"]  # also of a preflight
    assert responses[0].headers.get("Access-Control-Allow-Origin") != "*"
    assert "X-Total-Count" in responses[0].headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("method", ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"])
@pytest.mark.parametrize("header", ["authorization", "if-match", "traceparent", "x-own"])
async def test_cors_allows_every_method_and_header(
    bare_client: AsyncClient, method: str, header: str
) -> None:
    preflight = {
        "Access-Control-Request-Headers": header,
        "Access-Control-Request-Method": method,
        "Origin": "http://localhost:3000",
    }
    response = await bare_client.options(f"{API}/anything", headers=preflight)

    assert response.status_code == 200
    assert method in response.headers["Access-Control-Allow-Methods"]
    assert header in response.headers["Access-Control-Allow-Headers"].lower()


@pytest.mark.usefixtures("broken_registration", "db")
async def test_cors_headers_are_on_error_responses(
    bare_client: AsyncClient, override_settings: OverrideSettings
) -> None:
    origin = {"Origin": "http://localhost:3000"}
    path = f"{API}/users/"
    override_settings(ALLOWED_HOSTS="example.org")
    async with client_for(create_app()) as client:
        responses = {
            400: await client.get(path, headers=origin),
            413: await bare_client.post(path, content="x" * 2_000_000, headers=JSON | origin),
            422: await bare_client.post(path, json={}, headers=origin),
            500: await bare_client.post(path, json=NEW_USER, headers=origin),
        }

    for code, response in responses.items():
        assert response.status_code == code
        assert response.headers["Access-Control-Allow-Origin"] == origin["Origin"]


async def test_cors_allows_no_cookies(bare_client: AsyncClient) -> None:
    response = await bare_client.get("/health/live", headers={"Origin": "http://localhost:3000"})

    assert "Access-Control-Allow-Credentials" not in response.headers
