"""The limit: an ASGI application by hand. It knows its few requests, and no way is shorter."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from pydantic_core import to_json
from yardsticks import storage as sql
from yardsticks.storage import Row, storage
from yardsticks.tokens import RejectedError, authenticate, log_in, refresh

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ITEMS = "/api/v1/items/"


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request."""
    if scope["type"] == "lifespan":
        await _start(receive, send)
        return
    status = 201 if scope["method"] == "POST" and scope["path"] == ITEMS else 200
    try:
        content = await _answer(scope, receive)
    except RejectedError:
        status, content = 401, {"detail": "Unauthorized"}
    body = to_json(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _start(receive: Receive, send: Send) -> None:
    await receive()
    await storage.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await storage.stop()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(scope: Message, receive: Receive) -> Any:  # noqa: PLR0911 - one for each request
    path, method = scope["path"], scope["method"]
    if path == "/health/live":
        return {"status": "ok"}
    if path.startswith("/api/v1/auth/"):
        form = parse_qs((await _body(receive)).decode())
        if path.endswith("/login"):
            return await log_in(form["username"][0], form["password"][0])
        return await refresh(form["refresh_token"][0])
    user = authenticate(_authorization(scope))
    if path == "/api/v1/users/me":
        return _first(await storage.fetch(sql.ME, *user))
    if method == "POST":
        item = json.loads(await _body(receive))
        values = (item["title"], item.get("description"))
        return _first(await storage.fetch(sql.CREATE, *user, *values))
    if method == "PATCH":
        values = (int(path.removeprefix(ITEMS)), json.loads(await _body(receive))["title"])
        return _first(await storage.fetch(sql.UPDATE, *user, *values))
    if path != ITEMS:
        return _first(await storage.fetch(sql.ITEM, *user, int(path.removeprefix(ITEMS))))
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    limit = int(query.get("limit", "100"))
    if query.get("sort", "id") == "id":
        rows = await storage.fetch(sql.ITEMS, *user, limit)
    else:
        rows = await storage.fetch(sql.NEWEST_ITEMS, *user, limit, query.get("q", ""))
    return [dict(row) for row in rows]


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


def _authorization(scope: Message) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value, "ascii")
    raise RejectedError


def _first(rows: list[Row]) -> dict[str, Any]:
    if not rows:
        raise RejectedError
    return dict(rows[0])
