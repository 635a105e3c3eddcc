"""Swagger UI at `/docs`."""

import pytest
from httpx2 import ASGITransport, AsyncClient

from app.main import create_app
from tests.conftest import OverrideSettings
from tests.helpers import API, client_for


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"DOCS": None, "DEBUG": False}, 404),
        ({"DOCS": None, "DEBUG": True}, 200),
        ({"DOCS": True, "DEBUG": False}, 200),
        ({"DOCS": False, "DEBUG": True}, 404),
    ],
)
async def test_swagger_ui_is_served_in_development_or_by_setting(
    override_settings: OverrideSettings, values: dict[str, object], code: int
) -> None:
    override_settings(**values)
    async with client_for(create_app()) as client:
        for path in ("/docs", "/docs/start.js", "/docs/assets/swagger-ui.css"):
            assert (await client.get(path)).status_code == code
        assert (await client.get(f"{API}/openapi.json")).status_code == code
        assert (await client.get("/redoc")).status_code == 404
        root = await client.get("/")
        assert ("docs" in root.headers.get("Location", root.text)) == (code == 200)


async def test_swagger_ui_loads_nothing_from_other_servers(
    override_settings: OverrideSettings,
) -> None:
    override_settings(DOCS=True)
    async with client_for(create_app()) as client:
        page, start = await client.get("/docs"), await client.get("/docs/start.js")
        rejected = await client.post("/docs/assets/swagger-ui.css")

    assert "//" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert f'"{API.removeprefix("/")}/openapi.json"' in start.text  # relative, for a path prefix
    assert (rejected.status_code, rejected.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(("prefix", "location"), [("", "docs"), ("/orders", "/orders/docs")])
async def test_root_leads_to_the_page_also_behind_a_path_prefix(
    override_settings: OverrideSettings, prefix: str, location: str
) -> None:
    override_settings(DOCS=True)
    transport = ASGITransport(app=create_app(), root_path=prefix)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        root = await client.get(f"{prefix}/")

    assert root.headers["Location"] == location  # for `/orders` too, as which a proxy passes it on
