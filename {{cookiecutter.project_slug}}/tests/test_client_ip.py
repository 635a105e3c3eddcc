"""Client IP: taken from X-Forwarded-For only behind a trusted proxy."""

import pytest
from httpx2 import AsyncClient

from app.config import settings
from app.core.client_ip import resolve_client_ip, warn_about_proxy
from tests.conftest import ClientFrom, OverrideSettings

WRONG = {"username": "ann@example.com", "password": "Wrong1Horse"}


@pytest.mark.usefixtures("ann")
async def test_forged_forwarded_header_does_not_evade_the_rate_limit(client: AsyncClient) -> None:
    codes = []
    for number in range(6):
        client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        codes.append((await client.post("/auth/login", data=WRONG)).status_code)

    assert codes == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client_ip"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),  # not a trusted proxy
        ("203.0.113.5", "203.0.113.5, 198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # the client wrote the first
        ("10.0.0.1", "10.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("2001:db8::1:2", "", "2001:db8::/64"),
        ("::ffff:203.0.113.5", "", "203.0.113.5"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("socket", "", "socket"),
        ("10.0.0.1", "198.51.100.1:51234", "198.51.100.1"),  # Azure, IIS
        ("10.0.0.1", "[2001:db8::1]:51234", "2001:db8::/64"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::/64"),
    ],
)
def test_client_ip_is_resolved_through_trusted_proxies(
    peer: str, forwarded: str, client_ip: str, override_settings: OverrideSettings
) -> None:
    override_settings(TRUSTED_PROXIES="10.0.0.0/8")

    resolved = resolve_client_ip(peer, forwarded, settings.TRUSTED_PROXIES)

    assert resolved == client_ip


async def test_proxy_that_is_not_trusted_is_logged_once(
    client: AsyncClient, caplog: pytest.LogCaptureFixture, override_settings: OverrideSettings
) -> None:
    warn_about_proxy.cache_clear()
    client.headers["X-Forwarded-For"] = "203.0.113.1"
    for trusted in ("127.0.0.1", "", ""):
        override_settings(TRUSTED_PROXIES=trusted)
        await client.post("/auth/login", data=WRONG)

    lines = [r.getMessage() for r in caplog.records if "TRUSTED_PROXIES is empty" in r.getMessage()]
    assert len(lines) == 1


async def test_rate_limit_uses_the_client_ip_behind_a_trusted_proxy(
    client_from: ClientFrom, override_settings: OverrideSettings
) -> None:
    override_settings(TRUSTED_PROXIES="10.0.0.0/8")
    proxy = client_from("10.0.0.1")

    async def log_in_behind(*forwarded: str) -> int:
        headers = [("X-Forwarded-For", hop) for hop in forwarded]
        return (await proxy.post("/auth/login", data=WRONG, headers=headers)).status_code

    assert [await log_in_behind("203.0.113.1") for _ in range(6)] == [401] * 5 + [429]
    assert await log_in_behind("203.0.113.2") == 401
    # A client sends a forged header; the proxy adds one of its own.
    assert await log_in_behind("203.0.113.3", "203.0.113.1") == 429
    assert await log_in_behind("203.0.113.1", "203.0.113.3") == 401
