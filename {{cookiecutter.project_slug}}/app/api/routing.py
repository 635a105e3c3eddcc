"""Routers that are stricter, and kinder, than the framework's."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response, status
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

LONGEST_NAME = 100  # characters of a field that an answer repeats


class RepeatedFieldError(HTTPException):
    """A body holds a field twice: two readers of it could each believe another one."""

    def __init__(self, name: str) -> None:
        name = name[:LONGEST_NAME].encode(errors="replace").decode()
        detail = f"The field {name} stands in the body more than once."
        super().__init__(status.HTTP_422_UNPROCESSABLE_CONTENT, detail)


class StrictRequest(Request):
    """A request whose JSON says each thing once (RFC 8259 §4)."""

    async def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the body."""
        return json.loads(await self.body(), object_pairs_hook=_object)


class StrictRoute(APIRoute):
    """A route that reads its requests strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


class Router(APIRouter):
    """A router of strict routes."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(route_class=StrictRoute, **options)


class CollectionRouter(Router):
    """Serves `/users` as well as `/users/`.

    The usual redirect from one to the other is made of the Host header, which the client
    chooses, and loses the body with clients that do not repeat it.
    """

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - passed on
        """Add the route, and its twin without the slash, which the documentation leaves out."""
        super().add_api_route(path, endpoint, **options)
        if path.endswith("/"):
            options["include_in_schema"] = False
            super().add_api_route(path.removesuffix("/"), endpoint, **options)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RepeatedFieldError(name)
        found[name] = value
    return found
