"""Middlewares: request id, security headers, last-resort 500, allowed hosts, body size limit."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Request
from httpx2 import ASGITransport, AsyncClient
from starlette.types import Message, Receive, Scope, Send

from app.api.middleware import (
    SECURITY_HEADERS,
    BodyLimitMiddleware,
    HostMiddleware,
    RequestContextMiddleware,
    SecurityHeadersMiddleware,
    UnhandledErrorMiddleware,
)
from app.main import app, create_app
from tests.conftest import OverrideSettings
from tests.helpers import API, NEW_USER, client_for

JSON = {"Content-Type": "application/json"}


async def chunks(size: int) -> AsyncIterator[bytes]:
    """Yield a body without Content-Length."""
    for _ in range(size // 1000):
        yield b"x" * 1000


async def never(*_: object) -> Any:  # noqa: ANN401 - never returned
    """Fail if it is called."""
    raise AssertionError


@pytest.mark.usefixtures("broken_registration", "db")
async def test_unhandled_error_is_a_500_and_raised_again_for_the_server_log() -> None:
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
        with pytest.raises(ZeroDivisionError):
            await client.post(f"{API}/users/", json=NEW_USER)


async def test_error_after_the_response_has_started_is_raised_to_the_server() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def fail_halfway(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await UnhandledErrorMiddleware(fail_halfway)({"type": "http"}, never, send)

    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_middlewares_pass_on_lifespan_and_websocket_scopes() -> None:
    seen: list[str] = []

    async def listen(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    for scope in ({"type": "lifespan"}, {"type": "websocket", "path": "/", "headers": []}):
        stack = BodyLimitMiddleware(HostMiddleware(listen, []), 1)
        secured = SecurityHeadersMiddleware(stack, 1)
        await RequestContextMiddleware(secured)(scope, never, never)

    assert seen == ["lifespan", "websocket"]


@pytest.mark.parametrize("default", [10, 10_000])
async def test_route_with_its_own_body_size_limit_raises_or_lowers_the_default(
    override_settings: OverrideSettings, default: int
) -> None:
    override_settings(MAX_BODY_BYTES=default)
    service = create_app()

    @service.post("/upload", max_body_size=100)
    async def upload(request: Request) -> int:
        return len(await request.body())

    async with client_for(service) as client:
        responses = [
            await client.post("/upload", content=content)
            for content in (b"x" * 50, b"x" * 150, chunks(1000))
        ]

    assert [response.status_code for response in responses] == [200, 413, 413]
    for response in responses[1:]:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["detail"] == "The request body must not be larger than 100 bytes."


@pytest.mark.usefixtures("broken_registration")
async def test_every_response_has_the_security_headers(client: AsyncClient) -> None:
    responses = {
        200: await client.get("http://test/health/live"),
        401: await client.get("/users/me"),
        404: await client.get("/nowhere"),
        405: await client.put("/users/me"),
        413: await client.post("/users/", content="x" * 2_000_000, headers=JSON),
        422: await client.post("/users/", json={}),
        500: await client.post("/users/", json=NEW_USER),
    }

    for code, response in responses.items():
        assert response.status_code == code
        hsts = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
        expected = {**SECURITY_HEADERS, **hsts}
        assert {name: response.headers.get(name) for name in expected} == expected
        assert response.headers["X-Request-ID"]
        assert "server" not in response.headers


@pytest.mark.parametrize("path", ["/health/live", "/docs", f"{API}/users/me", "/nowhere"])
async def test_head_is_get_without_a_body(override_settings: OverrideSettings, path: str) -> None:
    override_settings(DOCS=True)
    async with client_for(create_app()) as client:
        get, head = await client.get(path), await client.head(path)

    assert head.status_code == get.status_code
    assert (head.content, bool(get.content)) == (b"", True)
    names = {"content-length", "content-type", "cache-control", "www-authenticate"}
    assert [(n, v) for n, v in head.headers.items() if n in names] == [
        (n, v) for n, v in get.headers.items() if n in names
    ]


async def test_head_does_not_execute_another_method(client: AsyncClient) -> None:
    response = await client.head("/auth/login")

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


async def test_path_prefix_of_a_proxy_is_respected(override_settings: OverrideSettings) -> None:
    override_settings(DOCS=True, ALLOWED_HOSTS="api.example.com")
    transport = ASGITransport(app=create_app(), root_path="/orders")
    async with AsyncClient(transport=transport, base_url="http://10.0.0.1/orders") as client:
        live = await client.get("/health/live")
        rejected = await client.get(f"{API}/items/")
        document = await client.get(f"{API}/openapi.json", headers={"Host": "api.example.com"})

    assert (live.status_code, rejected.status_code) == (200, 400)
    assert document.json()["servers"] == [{"url": "/orders"}]


@pytest.mark.parametrize("debug", [True, False])
async def test_hsts_is_off_in_development(
    override_settings: OverrideSettings,
    debug: bool,
) -> None:
    override_settings(DEBUG=debug)
    async with client_for(create_app()) as client:
        response = await client.get("/health/live")

    assert ("Strict-Transport-Security" in response.headers) != debug


@pytest.mark.parametrize(("seconds", "sent"), [(60, "max-age=60; includeSubDomains"), (0, None)])
async def test_hsts_lasts_for_the_seconds_of_the_setting(
    override_settings: OverrideSettings, seconds: int, sent: str | None
) -> None:
    override_settings(HSTS_SECONDS=seconds)
    async with client_for(create_app()) as client:
        response = await client.get("/health/live")

    assert response.headers.get("Strict-Transport-Security") == sent


async def test_body_of_an_authentication_request_is_small(client: AsyncClient) -> None:
    form = {"username": "a@example.com", "password": "x" * 20_000}

    response = await client.post("/auth/login", data=form)
    assert response.status_code == 413, response.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2_3", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a\tb", False),
        ("ä", False),
    ],
)
async def test_request_id_of_the_caller_is_kept_if_it_is_safe_to_log(
    bare_client: AsyncClient,
    given: str,
    kept: bool,
) -> None:
    headers = [(b"X-Request-ID", given.encode())]
    response = await bare_client.get("/health/live", headers=headers)

    assert (response.headers["X-Request-ID"] == given) == kept
    assert len(response.headers["X-Request-ID"]) >= 9


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("api.example.com", 401),
        ("API.example.com:8000", 401),
        ("api.example.com.", 401),
        ("a.example.org", 401),
        ("example.org", 400),
        ("evil.com", 400),
        ("evilexample.org", 400),
        ("api.example.com:evil.com", 400),
        ("", 400),
    ],
)
async def test_host_header_must_match_allowed_hosts(
    override_settings: OverrideSettings, host: str, code: int
) -> None:
    override_settings(ALLOWED_HOSTS="Api.example.com,*.example.org")
    async with client_for(create_app()) as client:
        response = await client.get(f"{API}/users/me", headers={"Host": host})
        health = await client.get("/health/live", headers={"Host": host})

    assert response.status_code == code
    assert health.status_code == 200  # health checks use an IP address
    assert code == 401 or response.json()["detail"] == "Invalid Host header."


async def test_two_host_headers_are_rejected() -> None:
    hosts = [("Host", "api.example.com"), ("Host", "evil.example")]
    async with client_for(create_app()) as client:
        response = await client.get("/health/live", headers=hosts)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_host")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("users/", "application/json"),
        ("auth/login", "application/x-www-form-urlencoded"),
    ],
)
async def test_body_over_the_size_limit_is_413_also_when_chunked(
    override_settings: OverrideSettings, path: str, kind: str
) -> None:
    override_settings(MAX_BODY_BYTES=10_000)
    async with client_for(create_app()) as client:
        for content in (b"x" * 20_000, chunks(20_000)):
            headers = {"Content-Type": kind}
            response = await client.post(f"{API}/{path}", content=content, headers=headers)

            assert response.status_code == 413
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.json()["code"] == "content_too_large"


async def test_websocket_with_an_invalid_host_header_is_rejected() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"evil.com")]}
    await HostMiddleware(never, ["example.org"])(scope, never, send)

    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 400)


@pytest.mark.parametrize("length", ["abc", "9" * 5000, "-1"])
async def test_invalid_content_length_is_400(bare_client: AsyncClient, length: str) -> None:
    response = await bare_client.post(f"{API}/users/", headers={"Content-Length": length})

    assert response.status_code == 400
