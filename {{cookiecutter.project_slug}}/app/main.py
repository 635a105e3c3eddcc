"""The service: the only module that knows every part."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.middleware.cors import CORSMiddleware

from app.api import docs, health
from app.api.application import Application
from app.api.documentation import problems
from app.api.errors import HANDLERS
from app.api.v1.router import api_router
from app.config import Settings, settings
from app.core.background import drain
from app.core.exceptions import BusyError, NotReadyError
from app.core.lifecycle import watch_for_stop
from app.core.logging import configure_logging
from app.db.session import engine


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Let what is under way finish and close the connections when the service stops."""
    configure_logging()
    watch_for_stop()
    yield
    await drain(patience=10)
    await engine.dispose()


def create_app(settings: Settings) -> Application:
    """Return the service, as the settings want it."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.ALLOWED_ORIGINS,
        allow_credentials=True,
        allow_methods=["DELETE", "GET", "PATCH", "POST"],
        allow_headers=["Authorization", "X-Request-ID"],
        expose_headers=["Link", "Retry-After", "X-Request-ID"],
    )
    app = Application(settings, around=cors, lifespan=lifespan, exception_handlers=HANDLERS)
    app.include_router(health.router)
    unavailable = problems(NotReadyError, BusyError)
    app.include_router(api_router, prefix=settings.API_V1_PREFIX, responses=unavailable)
    if settings.docs:
        docs.include(app)
    return app


app = create_app(settings)
