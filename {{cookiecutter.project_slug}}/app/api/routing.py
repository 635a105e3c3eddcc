"""A router for collections."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter


class CollectionRouter(APIRouter):
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
