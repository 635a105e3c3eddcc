"""FastAPI, with our edge around it and our failures in its documentation."""

from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from app.api.documentation import ANY_PROBLEM, complete
from app.api.edge import Edge, Guard
from app.config import Settings


class Application(FastAPI):
    """The app that a server serves."""

    def __init__(self, settings: Settings, around: Middleware, **options: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(
            title=settings.PROJECT_NAME,
            version="1.0.0",
            openapi_url=f"{settings.API_V1_PREFIX}/openapi.json" if settings.docs else None,
            docs_url=None,  # see `docs`
            redoc_url=None,
            redirect_slashes=False,  # see `CollectionRouter`
            max_body_size=settings.MAX_BODY_BYTES,  # counts what comes in chunks
            responses=ANY_PROBLEM,
            telemetry={"logs": False},  # they would hold what was refused: passwords, too
            **options,
        )
        self.settings = settings
        self.around = around

    def build_middleware_stack(self) -> ASGIApp:
        """Put the edge outside of everything, so that no answer goes round it."""
        guarded = Guard(super().build_middleware_stack(), self.settings)
        cls, args, kwargs = self.around
        return Edge(cls(guarded, *args, **kwargs))

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return self.openapi_schema or complete(super().openapi())
