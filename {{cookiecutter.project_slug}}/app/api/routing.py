"""Routers: strict JSON bodies, query parameters and forms; with and without trailing slash."""

from collections.abc import Callable, Coroutine
from functools import cache
from itertools import chain
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match
from starlette.types import Scope

from app.api.declared_params import (
    DeclaredParams,
    check_form,
    check_query,
    declared_form_fields,
    declared_query_params,
)
from app.api.json_body import StrictRequest


class StrictRoute(APIRoute):
    """A route that rejects what its operation does not declare, and what was sent twice."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the request handler."""
        handle = super().get_route_handler()
        is_form = isinstance(getattr(self.body_field, "field_info", None), Form)

        @cache
        def declared(app: FastAPI, read: DeclaredParams) -> dict[str, bool]:
            contexts = [c for c in iter_route_contexts(app.routes) if c.original_route is self]
            return dict(chain.from_iterable(read(context.dependant) for context in contexts))

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if strict.query_params:
                check_query(strict.query_params, declared(strict.app, declared_query_params))
            if is_form:
                check_form(await strict.form(), declared(strict.app, declared_form_fields))
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
