"""Authorization: a row for every operation, and a column for every role."""

from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.main import app
from app.models import User
from app.services.session_service import SessionService
from tests.conftest import LogIn, MakeUser
from tests.helpers import API, CONFIRMED, NEW_PASSWORD, NEW_USER, PASSWORD, operations
from tests.resources import OWNED, SHARED, create_id, prepare

Clients = dict[str, AsyncClient]
Statuses = tuple[int, int, int, int, int, int]
Table = dict[str, tuple[Any, Statuses]]

FILE = Path(__file__).name
TABLES = "OWNED or SHARED in resources.py"
ROLES = ("anonymous", "owner", "other", "unverified", "inactive", "superuser")
WRONG = {"username": "nobody@example.com", "password": "Wrong1Horse"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x.y"}
RESET = {"token": "x", "new_password": NEW_PASSWORD}


class Form(dict[str, str]):
    """A body that is sent as a form."""


class Upload(dict[str, bytes]):
    """A body that is sent as a form with files: name and content."""


def rows_of_owned(name: str, path: str, body: Any) -> Table:  # noqa: ANN401 - any JSON
    """Return the rows of a resource: its owner and superusers may do everything."""
    one = path + "{" + name + "}"
    return {
        f"GET {path}": (None, (401, 200, 200, 200, 401, 200)),
        f"POST {path}": (body, (401, 201, 201, 201, 401, 201)),
        f"GET {one}": (None, (401, 200, 404, 404, 401, 200)),
        f"PATCH {one}": (body, (401, 200, 404, 404, 401, 200)),
        f"DELETE {one}": (None, (401, 204, 404, 404, 401, 204)),
    }


def rows_of_shared(name: str, path: str, body: Any) -> Table:  # noqa: ANN401 - any JSON
    """Return the rows of a resource that every user reads and superusers write."""
    one = path + "{" + name + "}"
    return {
        f"GET {path}": (None, (401, 200, 200, 200, 401, 200)),
        f"POST {path}": (body, (401, 403, 403, 403, 401, 201)),
        f"GET {one}": (None, (401, 200, 200, 200, 401, 200)),
        f"PATCH {one}": (body, (401, 403, 403, 403, 401, 200)),
        f"DELETE {one}": (None, (401, 403, 403, 403, 401, 204)),
    }


# Operation: body, and the status for each role. The ids of paths belong to the owner.
TABLE: Table = {
    "GET /health/live": (None, (200, 200, 200, 200, 200, 200)),
    "GET /health/ready": (None, (200, 200, 200, 200, 200, 200)),
    "POST /auth/login": (Form(WRONG), (401, 401, 401, 401, 401, 401)),
    "POST /auth/refresh": (Form(REFRESH), (401, 401, 401, 401, 401, 401)),
    "POST /auth/logout": (None, (401, 204, 204, 204, 401, 204)),
    "GET /auth/sessions": (None, (401, 200, 200, 200, 401, 200)),
    "DELETE /auth/sessions": (None, (401, 204, 204, 204, 401, 204)),
    "DELETE /auth/sessions/{session_id}": (None, (401, 204, 404, 404, 401, 404)),
    "POST /auth/password/forgot": ({"email": "x@example.com"}, (202, 202, 202, 202, 202, 202)),
    "POST /auth/password/reset": (RESET, (422, 422, 422, 422, 422, 422)),
    "POST /auth/email/verify": ({"token": "x"}, (422, 422, 422, 422, 401, 422)),
    "POST /auth/email/undo": ({"token": "x"}, (422, 422, 422, 422, 422, 422)),
    "POST /auth/email/verify/request": (None, (401, 202, 202, 202, 401, 202)),
    "POST /users/": (NEW_USER, (201, 201, 201, 201, 201, 201)),
    "GET /users/": (None, (401, 403, 403, 403, 401, 200)),
    "GET /users/me": (None, (401, 200, 200, 200, 401, 200)),
    "PATCH /users/me": ({"full_name": "X"}, (401, 200, 200, 200, 401, 200)),
    "DELETE /users/me": (CONFIRMED, (401, 204, 204, 204, 401, 409)),
    "GET /users/{user_id}": (None, (401, 200, 404, 404, 401, 200)),
    "PATCH /users/{user_id}": ({"full_name": "X"}, (401, 200, 404, 404, 401, 200)),
    "DELETE /users/{user_id}": (CONFIRMED, (401, 204, 404, 404, 401, 204)),
}
for name, (path, body) in OWNED.items():
    TABLE |= rows_of_owned(name, path, body)
for name, (path, body, *_) in SHARED.items():
    TABLE |= rows_of_shared(name, path, body)


@pytest.fixture
async def owner(make_user: MakeUser) -> User:
    """Return the user to whom the ids of the paths belong."""
    return await make_user("owner")


@pytest.fixture
async def clients(owner: User, make_user: MakeUser, log_in: LogIn, client: AsyncClient) -> Clients:
    """Return a client of every role."""
    users = {
        "owner": owner,
        "other": await make_user("other"),
        "unverified": await make_user("unverified", is_verified=False),
        "inactive": await make_user("inactive", is_active=False),
        "superuser": await make_user("superuser", is_superuser=True),
    }
    return {"anonymous": client} | {role: await log_in(user) for role, user in users.items()}


@pytest.fixture
async def ids(owner: User, clients: Clients, db: AsyncSession) -> dict[str, object]:
    """Return the ids in paths: of the owner, and of what belongs to the owner."""
    token = (await SessionService(db).create(owner.id)).refresh_token
    await db.commit()
    ids: dict[str, object] = {"user_id": owner.id, "session_id": token.partition(".")[0]}
    for name in (*OWNED, *SHARED):
        ids[name] = await create_id(clients["owner"], name)
    return ids


def is_below_the_prefix(operation: str) -> bool:
    """Return whether the path is one of `API_V1_PREFIX`, such as `/users/`, or a whole path."""
    method, path = operation.partition("?")[0].split()
    return f"{method} {API}{path}" in operations(app.openapi())


async def send(
    clients: Clients, role: str, operation: str, ids: dict[str, object], connection: AsyncConnection
) -> Response:
    """Return the response of an operation, and roll back what it did.

    What a changed object of the owner refers to is the owner's, too.
    """
    method, path = operation.format(**ids).split()
    url = path if is_below_the_prefix(operation) else f"http://test{path}"
    body = TABLE[operation][0]
    kind = "data" if isinstance(body, Form) else "files" if isinstance(body, Upload) else "json"
    async with connection.begin_nested() as before:
        prepared = await prepare(clients["owner" if method == "PATCH" else role], body)
        response = await clients[role].request(method, url, **{kind: prepared})
        await before.rollback()
    assert PASSWORD not in response.text
    assert "hashed" not in response.text
    return response


async def test_every_operation_has_the_status_of_the_table_for_every_role(
    clients: Clients, ids: dict[str, object], connection: AsyncConnection
) -> None:
    wrong = []
    for operation, (_, statuses) in TABLE.items():
        for role, expected in zip(ROLES, statuses, strict=True):
            response = await send(clients, role, operation, ids, connection)
            if response.status_code != expected:
                found = f"{int(response.status_code)} {response.text[:300]}"
                wrong.append(f"{operation}, {role}: {expected} in the table, but {found}")

    assert not wrong, "\n".join(["Correct the endpoints or the TABLE:", *wrong])


def test_every_operation_is_in_the_table() -> None:
    documented = {
        operation.replace(f" {API}/", " /"): details
        for operation, details in operations(app.openapi()).items()
    }
    listed = {name.partition("?")[0] for name in TABLE}  # a required parameter is in the row
    missing = [row(name, documented[name]) for name in documented if name not in listed]
    surplus = [f"    {name!r}" for name in listed if name not in documented]

    add = f"Add to TABLE in {FILE} (statuses: {', '.join(ROLES)}), or to {TABLES}:"
    assert not missing, "\n".join([add, *missing])
    assert not surplus, "\n".join([f"Remove from TABLE in {FILE}, or from {TABLES}:", *surplus])


EXAMPLE_BODIES = {
    "application/json": '{"field": "a valid value"}',
    "application/x-www-form-urlencoded": 'Form({"field": "a valid value"})',
    "multipart/form-data": 'Upload({"file": b"content"})',
}


def row(operation: str, details: dict[str, Any]) -> str:
    """Return the row of an operation, as it would be if everybody who is logged in may use it."""
    media_types = details.get("requestBody", {}).get("content", {"": None})
    body = EXAMPLE_BODIES.get(next(iter(media_types)), "None")
    success = next((status for status in details["responses"] if status[0] in "23"), "200")
    parameters = details.get("parameters", [])
    required = [p["name"] for p in parameters if p["in"] == "query" and p["required"]]
    operation += "?" + "&".join(f"{name}=..." for name in required) if required else ""
    if "security" not in details:
        return f'    "{operation}": ({body}, ({", ".join([success] * len(ROLES))})),'
    other = 404 if "{" in operation else success
    statuses = f"401, {success}, {other}, {other}, 401, {success}"
    return f'    "{operation}": ({body}, ({statuses})),'


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override"])
async def test_method_override_header_is_ignored(as_ann: AsyncClient, name: str) -> None:
    await as_ann.get("/users/me", headers={name: "DELETE"})

    assert (await as_ann.get("/users/me")).is_success
