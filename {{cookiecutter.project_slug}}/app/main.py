"""The service: the only module that knows every part."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from app.api import health
from app.api.documentation import ANY_PROBLEM, DocumentedFastAPI
from app.api.errors import HANDLERS
from app.api.v1.router import api_router
from app.config import settings
from app.core.background import drain
from app.db.session import engine


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Let what is under way finish and close the connections when the service stops."""
    logging.basicConfig(level=logging.INFO if settings.DEBUG else logging.WARNING)
    yield
    await drain(patience=10)
    await engine.dispose()


app = DocumentedFastAPI(
    title=settings.PROJECT_NAME,
    version="1.0.0",
    openapi_url=f"{settings.API_V1_PREFIX}/openapi.json",
    lifespan=lifespan,
    redirect_slashes=False,  # see CollectionRouter
    exception_handlers=HANDLERS,
    responses=ANY_PROBLEM,
)

app.add_middleware(
    CORSMiddleware,
    allow_origins=settings.ALLOWED_ORIGINS,
    allow_credentials=True,
    allow_methods=["DELETE", "GET", "PATCH", "POST"],
    allow_headers=["Authorization"],
)

app.include_router(health.router)
app.include_router(api_router, prefix=settings.API_V1_PREFIX)
