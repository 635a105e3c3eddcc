"""What every request and every response passes, whatever it is about."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from starlette.types import Message, Receive, Scope, Send

from app.api.edge import HEADERS, Edge, Guard
from app.config import Settings, settings
from app.core.logging import configure_logging, request_id
from app.main import app, create_app
from app.models import User
from app.services.user_service import UserService

JSON = {"Content-Type": "application/json"}
Record = dict[str, object]


def client_of(**values: object) -> AsyncClient:
    """Return a client of a service with other settings."""
    return client_for(create_app(Settings.model_validate(settings.model_dump() | values)))


def client_for(app: FastAPI) -> AsyncClient:
    """Return a client of a service."""
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture
async def anyone() -> AsyncGenerator[AsyncClient]:
    """Yield a client who needs no database."""
    async with client_for(app) as client:
        yield client


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a bug into the service."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(UserService, "register", fail)


@pytest.mark.usefixtures("broken")
async def test_every_answer_has_the_headers_that_protect(client: AsyncClient) -> None:
    new = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
    answers = {
        200: await client.get("http://test/health/live"),
        401: await client.get("/users/me"),
        404: await client.get("/nowhere"),
        405: await client.put("/users/me"),
        413: await client.post("/users/", content="x" * 2_000_000, headers=JSON),
        422: await client.post("/users/", json={}),
        500: await client.post("/users/", json=new),
    }

    for code, answer in answers.items():
        assert answer.status_code == code
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert answer.headers["X-Request-ID"]
        assert "server" not in answer.headers


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
async def test_a_request_keeps_an_id_that_can_stand_in_a_log(
    anyone: AsyncClient,
    given: str,
    kept: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    headers = [(b"X-Request-ID", given.encode())]
    answer = await anyone.get("/health/live", headers=headers)

    assert (answer.headers["X-Request-ID"] == given) == kept
    assert len(answer.headers["X-Request-ID"]) >= 9


def requests(caplog: pytest.LogCaptureFixture) -> list[Record]:
    """Return what was logged of requests."""
    fields = ("method", "route", "status", "user_id")
    records = [vars(record) for record in caplog.records if record.name == "app.requests"]
    assert all(float(record["duration_ms"]) >= 0 for record in records)
    return [{field: record[field] for field in fields} for record in records]


async def test_a_request_is_logged_once_by_its_route_and_user(
    as_ann: AsyncClient, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    await as_ann.get(f"/users/{ann.id}", params={"secret": "1"})
    await as_ann.get("/nowhere/secret")

    user = {"method": "GET", "route": "/api/v1/users/{user_id}", "status": 422, "user_id": ann.id}
    nowhere = {"method": "GET", "route": "-", "status": 404, "user_id": None}
    assert requests(caplog) == [user | {"status": 200}, nowhere]
    assert "secret" not in "".join(r.getMessage() for r in caplog.records if r.name[:3] == "app")


@pytest.mark.usefixtures("broken")
async def test_a_bug_is_logged_once_with_its_traceback(
    client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    new = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
    answer = await client.post("/users/", json=new)

    assert answer.status_code == 500
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert [record.name for record in tracebacks] == ["app.requests"]


def test_logs_are_json_and_name_their_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    configure_logging()
    configure_logging()

    before = request_id.set("abc")
    logging.getLogger("app.x").info("Hello %s\n", "world", extra={"status": 200})
    request_id.reset(before)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("app.x").exception("Oh")

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("timestamp")
    expected = {"level": "INFO", "logger": "app.x", "message": "Hello world\n"}
    assert first == expected | {"request_id": "abc", "status": 200}
    assert "ZeroDivisionError" in second["exc_info"]


def test_logs_of_development_are_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    debug = settings.model_copy(update={"DEBUG": True})
    monkeypatch.setattr("app.core.logging.settings", debug)
    configure_logging()

    logging.getLogger("app.x").info("Hello")

    assert capsys.readouterr().err.endswith("INFO    app.x [-] Hello\n")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("api.example.com", 401),
        ("API.example.com:8000", 401),
        ("a.example.org", 401),
        ("example.org", 400),
        ("evil.com", 400),
        ("evilexample.org", 400),
        ("api.example.com:evil.com", 400),
        ("", 400),
    ],
)
async def test_only_hosts_of_the_settings_are_served(host: str, code: int) -> None:
    async with client_of(ALLOWED_HOSTS="Api.example.com,*.example.org") as client:
        answer = await client.get(f"{settings.API_V1_PREFIX}/items", headers={"Host": host})
        health = await client.get("/health/live", headers={"Host": host})

    assert answer.status_code == code
    assert health.status_code == 200  # a probe asks an address
    assert code == 401 or answer.json()["detail"] == "This host is not served here."


async def chunks(size: int) -> AsyncIterator[bytes]:
    """Yield a body of a size that nobody is told beforehand."""
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("users/", "application/json"),
        ("auth/login", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_too_long_is_refused(path: str, kind: str) -> None:
    async with client_of(MAX_BODY_BYTES=10_000) as client:
        for content in (b"x" * 10_001, chunks(20_000)):
            headers = {"Content-Type": kind}
            answer = await client.post(f"/api/v1/{path}", content=content, headers=headers)

            assert answer.status_code == 413
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["title"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/users/me", "DELETE, GET, PATCH"),
        ("/api/v1/users/1", "DELETE, GET, PATCH"),
        ("/api/v1/users", "GET, POST"),
        ("/api/v1/items/", "GET, POST"),
        ("/api/v1/auth/sessions", "DELETE, GET"),
        ("/health/live", "GET"),
    ],
)
async def test_a_method_that_a_path_lacks_is_answered_with_those_that_it_has(
    anyone: AsyncClient, path: str, allowed: str
) -> None:
    answer = await anyone.put(path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"DOCS": None, "DEBUG": False}, 404),
        ({"DOCS": None, "DEBUG": True}, 200),
        ({"DOCS": True, "DEBUG": False}, 200),
        ({"DOCS": False, "DEBUG": True}, 404),
    ],
)
async def test_the_documentation_is_open_in_development_or_by_setting(
    values: dict[str, object], code: int
) -> None:
    async with client_of(**values) as client:
        for path in ("/docs", "/docs/start.js", "/docs/assets/swagger-ui.css"):
            assert (await client.get(path)).status_code == code
        assert (await client.get(f"{settings.API_V1_PREFIX}/openapi.json")).status_code == code
        assert (await client.get("/redoc")).status_code == 404


async def test_the_documentation_needs_nobody_else() -> None:
    async with client_of(DOCS=True) as client:
        page, start = await client.get("/docs"), await client.get("/docs/start.js")
        refusal = await client.post("/docs/assets/swagger-ui.css")

    assert "//" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert f'"{settings.API_V1_PREFIX}/openapi.json"' in start.text
    assert (refusal.status_code, refusal.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("http://localhost:3000", True), ("http://evil.com", False), ("null", False)],
)
async def test_a_browser_is_told_who_may_call(
    anyone: AsyncClient,
    origin: str,
    allowed: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    preflight = {"Access-Control-Request-Method": "PATCH", "Origin": origin}
    answers = [
        await anyone.get("/health/live", headers={"Origin": origin}),
        await anyone.options("/api/v1/users/me", headers=preflight),
    ]

    for answer in answers:
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed
        assert answer.headers["X-Request-ID"]  # a preflight passes the edge as well
    assert answers[0].headers.get("Access-Control-Allow-Origin") != "*"


@pytest.mark.usefixtures("broken", "db")
async def test_a_browser_may_read_why_a_request_was_refused(anyone: AsyncClient) -> None:
    origin = {"Origin": "http://localhost:3000"}
    new = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}
    path = "/api/v1/users/"
    async with client_of(ALLOWED_HOSTS="example.org") as client:
        answers = {
            400: await client.get(path, headers=origin),
            413: await anyone.post(path, content="x" * 2_000_000, headers=JSON | origin),
            422: await anyone.post(path, json={}, headers=origin),
            500: await anyone.post(path, json=new, headers=origin),
        }

    for code, answer in answers.items():
        assert answer.status_code == code
        assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]


async def test_an_answer_that_breaks_off_is_not_completed(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    transport = ASGITransport(app=Edge(breaks_off))
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(ZeroDivisionError):  # the server closes the connection
            await client.get("/")

    assert [record["status"] for record in requests(caplog)] == [200]


async def never(*_: object) -> Any:  # noqa: ANN401 - nobody gets it
    """Fail, because nobody should call it."""
    raise AssertionError


async def test_the_edge_leaves_alone_what_is_no_request() -> None:
    seen: list[str] = []

    async def listen(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    await Edge(Guard(listen, settings))({"type": "lifespan"}, never, never)

    assert seen == ["lifespan"]


async def test_no_websocket_is_opened_for_a_host_that_is_not_served() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"evil.com")]}
    limited = settings.model_copy(update={"ALLOWED_HOSTS": ["example.org"]})
    await Guard(never, limited)(scope, never, send)

    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 400)


@pytest.mark.parametrize("length", ["abc", "9" * 5000, "-1"])
async def test_a_length_that_is_no_number_is_refused(anyone: AsyncClient, length: str) -> None:
    answer = await anyone.post("/api/v1/users/", headers={"Content-Length": length})

    assert answer.status_code == 400
