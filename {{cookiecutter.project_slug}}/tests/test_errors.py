"""Every failure is a problem document, and says nothing that it should not."""

from http import HTTPStatus

import pytest
from httpx2 import AsyncClient
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from app.models import User
from app.services.user_service import UserService


class Passing(Exception):  # noqa: N818 - as the driver names its own
    """What the driver says of what will pass."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


NEW = {"email": "new@example.com", "full_name": "New", "password": "SecurePass123"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/users/me", 405),
        ("GET", "/users/me", 401),
        ("POST", "/users/", 422),
    ],
)
async def test_a_failure_is_a_problem_document(
    client: AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem.pop("errors", [])[:0] == []
    assert problem.pop("detail")
    phrase = HTTPStatus(status).phrase
    assert problem == {"type": "about:blank", "title": phrase, "status": status}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"password": "Hidden1Horse"}',
        b'{"password": "Hidden1Horse", "email": "\\ud800"}',
        b'{"password": "Hidden1Horse", "\\ud800": 1}',
        b'{"password": "Hidden1Horse", "email": NaN}',
        b'{"password": ["Hidden1Horse"]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_a_broken_body_is_a_422_that_repeats_nothing(
    client: AsyncClient, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users/", content=body, headers=headers)

    assert response.status_code in {400, 422}
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Hidden1Horse" not in response.text


async def test_a_body_that_is_not_json_is_refused(client: AsyncClient) -> None:
    response = await client.post(
        "/users/", content=str(NEW), headers={"Content-Type": "text/plain"}
    )

    assert response.status_code == 422


async def test_a_bug_is_a_500_without_details(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        message = "SELECT secret FROM users"
        raise RuntimeError(message)

    monkeypatch.setattr(UserService, "create", fail)
    response = await client.post("/users/", json=NEW)

    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "secret" not in response.text


async def test_what_could_not_be_committed_is_not_acknowledged(
    as_ann: AsyncClient, ann: User
) -> None:
    def fail(_: Session) -> None:
        message = "the disk is full"
        raise OSError(message)

    event.listen(Session, "before_commit", fail)
    try:
        responses = [
            await as_ann.post("/users/", json=NEW),
            await as_ann.post("/items/", json={"title": "Lamp"}),
            await as_ann.patch("/users/me", json={"full_name": "Changed"}),
            await as_ann.delete(f"/users/{ann.id}"),
        ]
    finally:
        event.remove(Session, "before_commit", fail)

    assert [response.status_code for response in responses] == [500] * 4
    assert (await as_ann.get("/users/me")).json()["full_name"] == "Ann"
    assert (await as_ann.get("/items/")).json() == []
    assert (await as_ann.post("/users/", json=NEW)).status_code == 201


@pytest.mark.parametrize("path", ["/users", "/users/", "/items", "/items/"])
async def test_a_collection_answers_with_and_without_slash(as_root: AsyncClient, path: str) -> None:
    assert (await as_root.get(path, headers={"Host": "evil.example"})).status_code == 200


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT secret", {}, Exception("server closed the connection")),
        OperationalError(None, None, FileNotFoundError("secret")),
        PoolTimeoutError("QueuePool limit"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
)
async def test_a_database_that_fails_is_a_503(
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(UserService, "create", fail)
    response = await client.post("/users/", json=NEW)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "secret" not in response.text
    assert f"The database failed: {type(getattr(error, 'orig', error)).__name__}." in caplog.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StaleDataError("DELETE"), 409),
        *(
            (IntegrityError("INSERT", {}, Passing(code)), 409)
            for code in ("23001", "23503", "23505")
        ),
        (IntegrityError("INSERT", {}, Passing("23502")), 500),
        (IntegrityError("INSERT", {}, Exception("NOT NULL")), 500),
        *((DBAPIError("UPDATE", {}, Passing(code)), 503) for code in ("40P01", "57P03", "08006")),
        (DBAPIError("UPDATE", {}, Passing("22003")), 500),
        (DBAPIError("SELECT", {}, Exception("no such column")), 500),
    ],
)
async def test_requests_that_come_in_each_others_way_are_told_from_bugs(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(UserService, "create", fail)

    assert (await client.post("/users/", json=NEW)).status_code == code


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (b'{"email": "a@example.com", "email": "b@example.com"}', 422, "email"),
        (b'{"x": {"y": 1, "y": 2}}', 422, "y"),
        (b'{"\\ud800": 1, "\\ud800": 2}', 422, "?"),
        (b'{"' + b"n" * 5000 + b'": 1, "' + b"n" * 5000 + b'": 2}', 422, "nnn"),
        (b"[" * 100_000, 400, "body"),
        (b'{"a":' * 20_000, 400, "body"),
    ],
)
async def test_a_body_that_can_be_read_in_two_ways_or_in_none_is_refused(
    client: AsyncClient, body: bytes, code: int, named: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users/", content=body, headers=headers)

    assert response.status_code == code
    assert response.headers["Content-Type"] == "application/problem+json"
    assert named in response.json()["detail"]
    assert len(response.content) < 500
