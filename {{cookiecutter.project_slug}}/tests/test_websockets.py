"""WebSockets: dependencies and domain errors work as for requests."""

import re

import pytest
from fastapi import WebSocket
from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from app.dependencies import ClientIP, CurrentUser, DbSession, Users
from app.main import create_app
from app.models import User
from tests.conftest import LogIn
from tests.helpers import talk


@pytest.fixture
def service() -> ASGIApp:
    """Return a service with WebSockets."""
    service = create_app()

    @service.websocket("/echo")
    async def echo(socket: WebSocket, me: CurrentUser, users: Users, ip: ClientIP) -> None:
        await socket.accept()
        found = await users.get_by_id(me.id)
        await socket.send_text(f"{await socket.receive_text()} {found.email} {ip}")

    @service.websocket("/late")
    async def late(socket: WebSocket) -> None:
        await socket.accept()
        raise HTTPException(409, "é" * 100)

    @service.websocket("/http")
    async def http(_socket: WebSocket) -> None:
        raise HTTPException(418, "A teapot.")

    return service


async def test_websocket_has_the_current_user_and_services(
    service: ASGIApp, ann: User, log_in: LogIn
) -> None:
    token = (await log_in(ann)).headers["Authorization"]

    sent = await talk(service, "/echo", "Hello", authorization=token)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    assert sent[1]["text"] == "Hello ann@example.com 127.0.0.1"


@pytest.mark.usefixtures("db")
async def test_websocket_without_access_token_is_rejected_with_a_problem_document(
    service: ASGIApp,
) -> None:
    start, body = await talk(service, "/echo")

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert b'"not_authenticated"' in body["body"]
    assert dict(start["headers"])[b"x-content-type-options"] == b"nosniff"
    assert dict(start["headers"])[b"x-request-id"]


async def test_websocket_is_logged_by_its_route(
    service: ASGIApp, ann: User, log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    token = (await log_in(ann)).headers["Authorization"]
    await talk(service, "/echo?token=Hidden1Token", "Hello", authorization=token)
    await talk(service, "/echo")
    await talk(service, "/nowhere")

    lines = [r.getMessage() for r in caplog.records if r.name == "app.requests"]
    assert [re.sub(r" in .*", "", line) for line in lines if "WEBSOCKET" in line] == [
        "WEBSOCKET /echo 101",
        "WEBSOCKET /echo 401",
        "WEBSOCKET - 403",
    ]
    assert "Hidden1Token" not in caplog.text


async def test_error_after_the_handshake_closes_the_websocket_with_its_reason(
    service: ASGIApp,
) -> None:
    _, close = await talk(service, "/late")

    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert close["reason"] == "é" * 61  # 123 bytes at most


async def test_http_error_rejects_the_websocket(service: ASGIApp) -> None:
    start, _ = await talk(service, "/http")

    assert start["status"] == 418


async def test_open_websocket_holds_no_database_connection(ann: User, log_in: LogIn) -> None:
    service = create_app()
    is_in_transaction: list[bool] = []

    @service.websocket("/wait")
    async def wait(socket: WebSocket, _me: CurrentUser, db: DbSession) -> None:
        is_in_transaction.append(db.in_transaction())
        await db.execute(text("SELECT 1"))
        is_in_transaction.append(db.in_transaction())
        await socket.accept()

    token = (await log_in(ann)).headers["Authorization"]
    await talk(service, "/wait", authorization=token)

    assert is_in_transaction == [False, True]
