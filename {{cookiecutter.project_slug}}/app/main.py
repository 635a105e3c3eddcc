"""Application factory: routers, middlewares, exception handlers and lifespan."""

import asyncio
import mimetypes
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from app.api import health
from app.api.development import mount_development_pages
from app.api.errors import EXCEPTION_HANDLERS
from app.api.middleware import (
    BodyLimitMiddleware,
    HeadMiddleware,
    HostMiddleware,
    RequestContextMiddleware,
    SecurityHeadersMiddleware,
    UnhandledErrorMiddleware,
)
from app.api.openapi import COMMON_RESPONSES, extend_openapi, operation_id, problems
from app.api.swagger import mount_swagger_ui
from app.api.v1.router import api_routers
from app.config import PROJECT, settings
from app.core.background import repeat, wait_for_all
from app.core.client_ip import connected_ip
from app.core.email import warn_if_emails_are_discarded
from app.core.exceptions import DatabaseUnavailableError, OverloadedError
from app.core.logging import configure_logging
from app.core.shutdown import handle_stop_signals
from app.db.session import engine, read_engine
from app.services import purge_service

SHUTDOWN_TIMEOUT = 10  # seconds that background tasks have to finish


class Service(FastAPI):
    """The app, which notes the IP address that is connected before anything wraps `receive`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        scope["peer"] = connected_ip(scope, receive)
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Set up logging, signals and the purge; at shutdown, finish tasks and close the pools."""
    configure_logging()
    handle_stop_signals()
    warn_if_emails_are_discarded()
    purging = asyncio.create_task(repeat(purge_service.purge_in_background, purge_service.INTERVAL))
    yield
    purging.cancel()
    await asyncio.wait([purging])
    await wait_for_all(SHUTDOWN_TIMEOUT)
    await engine.dispose()
    await read_engine.dispose()


def middlewares() -> list[Middleware]:
    """Return the middlewares in the order in which a request passes them."""
    return [
        Middleware(RequestContextMiddleware),
        Middleware(SecurityHeadersMiddleware, 0 if settings.DEBUG else settings.HSTS_SECONDS),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],  # a route without the method responds with 405
            allow_headers=["*"],
            expose_headers=["Link", "Retry-After", "X-Request-ID", "X-Total-Count"],
        ),
        Middleware(HeadMiddleware),
        Middleware(UnhandledErrorMiddleware),
        Middleware(HostMiddleware, settings.ALLOWED_HOSTS),
        Middleware(BodyLimitMiddleware, settings.MAX_BODY_BYTES),
    ]


def create_app() -> FastAPI:
    """Application factory: return the FastAPI app, configured by `app.config.settings`."""
    mimetypes.init()  # reads files, which would block the event loop in a request
    app = Service(
        title=settings.PROJECT_NAME,
        description=PROJECT["description"],
        version=PROJECT["version"],
        openapi_url=f"{settings.API_V1_PREFIX}/openapi.json" if settings.docs else None,
        docs_url=None,  # see `mount_swagger_ui`
        redoc_url=None,
        redirect_slashes=False,  # see `CollectionRouter`
        lifespan=lifespan,
        middleware=middlewares(),
        exception_handlers=EXCEPTION_HANDLERS,
        responses=COMMON_RESPONSES,
        generate_unique_id_function=operation_id,
        telemetry={"logs": False},  # log records would hold rejected input, passwords included
    )
    app.include_router(health.router)
    unavailable = problems(DatabaseUnavailableError, OverloadedError)
    for router in api_routers:
        app.include_router(router, prefix=settings.API_V1_PREFIX, responses=unavailable)
    extend_openapi(app)
    if settings.DEBUG:
        mount_development_pages(app)
    if settings.docs:
        mount_swagger_ui(app)
    return app


app = create_app()
