"""The practical ceiling: FastAPI with validation of input and output, and one query per request.

No layers, no ORM, no middlewares, no log: less than anybody would run, and what FastAPI costs.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Form, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from yardsticks import storage as sql
from yardsticks.storage import Row, storage
from yardsticks.tokens import RejectedError, authenticate, log_in, refresh


class UserRead(BaseModel):
    """A user."""

    id: int
    email: str
    pending_email: str | None
    full_name: str
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: datetime
    updated_at: datetime | None


class ItemRead(BaseModel):
    """An item."""

    id: int
    title: str
    description: str | None
    owner_id: int
    created_at: datetime
    updated_at: datetime | None


class ItemCreate(BaseModel):
    """A new item, or a changed one."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] | None = None


class TokenPair(BaseModel):
    """A pair of tokens."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class Health(BaseModel):
    """The response of the liveness check."""

    status: str = "ok"


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Open and close the connections."""
    await storage.start()
    yield
    await storage.stop()


Authorization = Annotated[str, Header()]
Id = Annotated[int, Field(ge=1)]
Limit = Annotated[int, Query(ge=1, le=100)]

app = FastAPI(lifespan=lifespan)


@app.exception_handler(RejectedError)
async def reject(_request: Request, _error: Exception) -> JSONResponse:
    """Respond to a wrong token."""
    return JSONResponse({"detail": "Unauthorized"}, 401)


def first(rows: list[Row]) -> dict[str, Any]:
    """Return the first row, which is missing without a session."""
    if not rows:
        raise RejectedError
    if rows[0]["id"] is None:
        raise HTTPException(404)
    return dict(rows[0])


@app.get("/health/live")
async def get_liveness() -> Health:
    """Respond."""
    return Health()


@app.get("/api/v1/users/me", response_model=UserRead)
async def get_me(authorization: Authorization) -> dict[str, Any]:
    """Return the user."""
    return first(await storage.fetch(sql.ME, *authenticate(authorization)))


@app.get("/api/v1/items/{item_id}", response_model=ItemRead)
async def get_item(item_id: Id, authorization: Authorization) -> dict[str, Any]:
    """Return an item."""
    return first(await storage.fetch(sql.ITEM, *authenticate(authorization), item_id))


@app.get("/api/v1/items/", response_model=list[ItemRead])
async def list_items(
    authorization: Authorization, q: str = "", sort: str = "id", limit: Limit = 100
) -> list[dict[str, Any]]:
    """Return items of the user: the oldest or, with any other order, the newest ones."""
    user = authenticate(authorization)
    if sort == "id":
        rows = await storage.fetch(sql.ITEMS, *user, limit)
    else:
        rows = await storage.fetch(sql.NEWEST_ITEMS, *user, limit, q)
    return [dict(row) for row in rows]


@app.post("/api/v1/items/", response_model=ItemRead, status_code=201)
async def create_item(item: ItemCreate, authorization: Authorization) -> dict[str, Any]:
    """Create an item."""
    values = (item.title, item.description)
    return first(await storage.fetch(sql.CREATE, *authenticate(authorization), *values))


@app.patch("/api/v1/items/{item_id}", response_model=ItemRead)
async def update_item(
    item_id: Id, item: ItemCreate, authorization: Authorization
) -> dict[str, Any]:
    """Change the title of an item."""
    values = (item_id, item.title)
    return first(await storage.fetch(sql.UPDATE, *authenticate(authorization), *values))


@app.post("/api/v1/auth/login", response_model=TokenPair)
async def create_session(
    username: Annotated[str, Form()], password: Annotated[str, Form()]
) -> dict[str, Any]:
    """Log in."""
    return await log_in(username, password)


@app.post("/api/v1/auth/refresh", response_model=TokenPair)
async def refresh_session(refresh_token: Annotated[str, Form()]) -> dict[str, Any]:
    """Refresh the tokens."""
    return await refresh(refresh_token)
