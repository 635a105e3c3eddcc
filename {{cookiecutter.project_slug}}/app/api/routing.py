"""Routers: read strict JSON bodies, reject unknown query parameters, ignore trailing slashes."""

from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match
from starlette.types import Scope

from app.api.json_body import StrictRequest
from app.api.query_params import declared_names, reject_unknown


class StrictRoute(APIRoute):
    """A route with strict JSON bodies, which rejects unknown query parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the request handler."""
        handle = super().get_route_handler()

        @cache
        def known_query_params(app: FastAPI) -> set[str]:
            contexts = [c for c in iter_route_contexts(app.routes) if c.original_route is self]
            return {name for context in contexts for name in declared_names(context.dependant)}

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if strict.query_params:
                reject_unknown(strict, known_query_params(strict.app))
            return await handle(strict)

        return handle_strictly


class Router(APIRouter):
    """A router of strict routes."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(route_class=StrictRoute, **options)
        self._literal_prefix = self.prefix.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Rule out other paths at once; FastAPI would match each route, at each level again."""
        if self._literal_prefix not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)


class CollectionRouter(Router):
    """A router of a collection, served with and without the trailing slash.

    Starlette's redirect from one to the other uses the Host header, which the client chooses,
    and some clients drop the body when they follow it.
    """

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - passed on
        """Add the route and, undocumented, the same without the trailing slash."""
        super().add_api_route(path, endpoint, **options)
        if path.endswith("/"):
            options["include_in_schema"] = False
            super().add_api_route(path.removesuffix("/"), endpoint, **options)
