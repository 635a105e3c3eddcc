"""Authorization: a row for every operation, and a column for every role."""

from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.main import app
from app.models import Item, User
from app.services.session_service import SessionService
from tests.conftest import LogIn, MakeUser
from tests.helpers import API, NEW_USER, PASSWORD

Clients = dict[str, AsyncClient]

ROLES = ("anonymous", "owner", "other", "unverified", "inactive", "superuser")
WRONG = {"username": "nobody@example.com", "password": "Wrong1Horse"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x.y"}
RESET = {"token": "x", "new_password": "SecurePass123"}

# Operation: body, and the status for each role. The ids of paths belong to the owner.
TABLE: dict[str, tuple[Any, tuple[int, int, int, int, int, int]]] = {
    "GET /health/live": (None, (200, 200, 200, 200, 200, 200)),
    "GET /health/ready": (None, (200, 200, 200, 200, 200, 200)),
    "POST /auth/login": (WRONG, (401, 401, 401, 401, 401, 401)),
    "POST /auth/refresh": (REFRESH, (401, 401, 401, 401, 401, 401)),
    "POST /auth/logout": (None, (401, 204, 204, 204, 401, 204)),
    "GET /auth/sessions": (None, (401, 200, 200, 200, 401, 200)),
    "DELETE /auth/sessions": (None, (401, 204, 204, 204, 401, 204)),
    "DELETE /auth/sessions/{session_id}": (None, (401, 204, 404, 404, 401, 404)),
    "POST /auth/password/forgot": ({"email": "x@example.com"}, (202, 202, 202, 202, 202, 202)),
    "POST /auth/password/reset": (RESET, (422, 422, 422, 422, 422, 422)),
    "POST /auth/email/verify": ({"token": "x"}, (422, 422, 422, 422, 422, 422)),
    "POST /auth/email/verify/request": (None, (401, 202, 202, 202, 401, 202)),
    "POST /users/": (NEW_USER, (201, 201, 201, 201, 201, 201)),
    "GET /users/": (None, (401, 403, 403, 403, 401, 200)),
    "GET /users/me": (None, (401, 200, 200, 200, 401, 200)),
    "PATCH /users/me": ({"full_name": "X"}, (401, 200, 200, 200, 401, 200)),
    "DELETE /users/me": (None, (401, 204, 204, 204, 401, 409)),
    "GET /users/{user_id}": (None, (401, 200, 404, 404, 401, 200)),
    "PATCH /users/{user_id}": ({"full_name": "X"}, (401, 200, 404, 404, 401, 200)),
    "DELETE /users/{user_id}": (None, (401, 204, 404, 404, 401, 204)),
    "GET /items/": (None, (401, 200, 200, 200, 401, 200)),
    "POST /items/": ({"title": "X"}, (401, 201, 201, 201, 401, 201)),
    "GET /items/{item_id}": (None, (401, 200, 404, 404, 401, 200)),
    "PATCH /items/{item_id}": ({"title": "X"}, (401, 200, 404, 404, 401, 200)),
    "DELETE /items/{item_id}": (None, (401, 204, 404, 404, 401, 204)),
}
FORMS = {"POST /auth/login", "POST /auth/refresh"}


@pytest.fixture
async def clients(make_user: MakeUser, log_in: LogIn, client: AsyncClient) -> Clients:
    """Return a client of every role."""
    users = {
        "owner": await make_user("owner", is_verified=True),
        "other": await make_user("other", is_verified=True),
        "unverified": await make_user("unverified"),
        "inactive": await make_user("inactive", is_active=False),
        "superuser": await make_user("superuser", is_superuser=True),
    }
    return {"anonymous": client} | {role: await log_in(user) for role, user in users.items()}


@pytest.fixture
async def ids(clients: Clients, db: AsyncSession) -> dict[str, object]:
    """Return the ids of the owner and of what belongs to the owner."""
    assert clients
    owner = (await db.scalars(select(User).where(User.email == "owner@example.com"))).one()
    item = Item(title="Lamp", owner_id=owner.id)
    db.add(item)
    token = (await SessionService(db).create(owner.id)).refresh_token
    await db.commit()
    return {"user_id": owner.id, "item_id": item.id, "session_id": token.partition(".")[0]}


async def request_status(
    client: AsyncClient, operation: str, ids: dict[str, object], connection: AsyncConnection
) -> int:
    """Return the status of an operation, and roll back what it did."""
    method, path = operation.format(**ids).split()
    url = f"http://test{path}" if path.startswith("/health") else path
    body = {"data" if operation in FORMS else "json": TABLE[operation][0]}
    async with connection.begin_nested() as before:
        response = await client.request(method, url, **body)
        await before.rollback()
    assert PASSWORD not in response.text
    assert "hashed" not in response.text
    return response.status_code


async def test_every_operation_has_the_status_of_the_table_for_every_role(
    clients: Clients, ids: dict[str, object], connection: AsyncConnection
) -> None:
    statuses = {
        operation: tuple(
            [await request_status(clients[r], operation, ids, connection) for r in ROLES]
        )
        for operation in TABLE
    }

    assert statuses == {operation: expected for operation, (_, expected) in TABLE.items()}


def test_every_operation_is_in_the_table() -> None:
    paths = app.openapi()["paths"]
    documented = {
        f"{method.upper()} {path.removeprefix(API)}" for path in paths for method in paths[path]
    }

    assert documented == TABLE.keys()


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override"])
async def test_method_override_header_is_ignored(as_ann: AsyncClient, name: str) -> None:
    await as_ann.get("/users/me", headers={name: "DELETE"})

    assert (await as_ann.get("/users/me")).is_success
