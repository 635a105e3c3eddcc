"""Pages for development, which production does not have."""

import re

import pytest
from httpx2 import AsyncClient

from app.config import settings
from app.core import email
from app.core.email import render, send
from app.main import create_app
from tests.conftest import OverrideSettings
from tests.helpers import API, client_for

PAGES = ("/", "/dev/emails", "/dev/verify", "/dev/undo", "/dev/reset", "/dev/forgot")


@pytest.fixture
async def developer(override_settings: OverrideSettings) -> AsyncClient:
    """Return a client of the service in development, without emails."""
    override_settings(DEBUG=True, SMTP_HOST="")
    email.outbox.clear()
    return client_for(create_app())


async def test_pages_are_served_in_development_only(
    developer: AsyncClient, override_settings: OverrideSettings
) -> None:
    responses = [await developer.get(path) for path in (*PAGES, "/dev/form.js")]
    assert {response.status_code for response in responses} == {200}

    for docs in (True, False):
        override_settings(DEBUG=False, DOCS=docs)
        async with client_for(create_app()) as client:
            for path in (*PAGES[1:], "/dev/form.js"):
                assert (await client.get(path)).status_code == 404


async def test_first_page_links_to_pages_that_exist(developer: AsyncClient) -> None:
    links = re.findall(r'href="([^"]+)"', (await developer.get("/")).text)

    assert {"/docs", "/dev/emails", "/health/ready"} == {*links}
    assert {(await developer.get(link)).status_code for link in ("/docs", "/dev/emails")} == {200}


async def test_sent_emails_are_shown_with_links_to_the_pages(developer: AsyncClient) -> None:
    link = f"{settings.FRONTEND_URL}/verify?token=x-y_z"
    await send(render("verify", "a&b@example.com", link=link, hours="48"))

    page = (await developer.get("/dev/emails")).text

    assert f'<a href="verify?token=x-y_z">{link}</a>' in page
    assert "a&amp;b@example.com" in page


async def test_emails_are_not_kept_in_production(override_settings: OverrideSettings) -> None:
    override_settings(DEBUG=False, SMTP_HOST="")
    kept = len(email.outbox)

    await send(render("verify", "ann@example.com", link="", hours="48"))

    assert len(email.outbox) == kept


async def test_page_sends_the_form_to_the_api(developer: AsyncClient) -> None:
    verify, undo = [(await developer.get(f"/dev/{name}")).text for name in ("verify", "undo")]

    assert f'data-url="..{API}/auth/email/verify"' in verify
    assert 'name="current_password" type="password" required' in verify
    assert "required" not in undo  # it is sent at once
