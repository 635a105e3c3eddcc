"""Transactions: what is acknowledged is committed, and services do not commit on their own."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from anyio import CancelScope, sleep
from httpx2 import AsyncClient
from sqlalchemy import Executable, delete, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.db.dialects import POOL_SIZE
from app.db.session import transaction
from app.dependencies import DbSession
from app.main import create_app
from app.models import User
from tests.helpers import NEW_USER, ROOT, client_for


async def test_failed_commit_is_not_acknowledged(as_ann: AsyncClient, ann: User) -> None:
    def fail(_: Session) -> None:
        message = "the disk is full"
        raise OSError(message)

    event.listen(Session, "before_commit", fail)
    try:
        responses = [
            await as_ann.post("/users/", json=NEW_USER),
            await as_ann.patch("/users/me", json={"full_name": "Changed"}),
            await as_ann.delete(f"/users/{ann.id}"),
        ]
    finally:
        event.remove(Session, "before_commit", fail)

    assert [response.status_code for response in responses] == [500] * 3
    assert (await as_ann.get("/users/me")).json()["full_name"] == "Ann"
    assert (await as_ann.post("/users/", json=NEW_USER)).status_code == 201


@pytest.mark.parametrize("path", sorted(ROOT.glob("app/services/*.py")), ids=lambda p: p.name)
def test_services_commit_only_through_the_functions_of_the_database_layer(path: Path) -> None:
    code = path.read_text(encoding="utf-8")

    assert not re.search(r"\.(commit|rollback|begin)\(", code), (
        "services flush; use commit_and_release() or transaction() of app.db.session"
    )


@pytest.mark.usefixtures("db")
async def test_session_cannot_be_used_after_its_request() -> None:
    service = create_app()
    sessions: list[AsyncSession] = []

    @service.get("/keep")
    async def keep(db: DbSession) -> None:
        sessions.append(db)

    async with client_for(service) as client:
        await client.get("/keep")

    with pytest.raises(InvalidRequestError, match="closed"):  # it would keep a connection for ever
        await sessions[0].execute(text("SELECT 1"))


@pytest.mark.usefixtures("_migrated")
async def test_long_read_is_streamed_without_blocking_writers() -> None:
    async with transaction(read_only=True) as reader:
        users = await reader.stream_scalars(select(User))
        async with transaction() as writer:
            await writer.execute(text("DELETE FROM users WHERE id = 0"))

        assert [user async for user in users] == []
        with pytest.raises(DBAPIError, match=r"read-?only"):
            await reader.execute(text("DELETE FROM users WHERE id = 0"))


async def test_long_read_sees_the_data_of_a_test(ann: User) -> None:
    async with transaction(read_only=True) as reader:
        assert await reader.scalar(select(User.id)) == ann.id


@pytest.mark.parametrize(
    "write", [lambda: delete(User), lambda: insert(User), lambda: update(User).values(id=1)]
)
async def test_tests_reject_writes_of_get_requests(
    client: AsyncClient, write: Callable[[], Executable]
) -> None:
    service = create_app()
    del client  # the database of the test

    @service.get("/write")
    async def execute(db: DbSession) -> None:
        await db.execute(write())

    async with client_for(service) as other:
        assert (await other.get("/write")).status_code == 500


@pytest.mark.parametrize(
    "change",
    [
        lambda db, _: db.add(User(email="x", full_name="X", hashed_password="x")),
        lambda _, user: setattr(user, "full_name", "X"),
        lambda db, user: db.sync_session.delete(user),
    ],
)
@pytest.mark.usefixtures("ann")
async def test_get_request_that_would_lose_changes_is_an_error(
    change: Callable[[AsyncSession, User], None],
) -> None:
    with pytest.raises(InvalidRequestError, match="cannot write"):
        async with transaction(read_only=True) as db:
            change(db, (await db.scalars(select(User))).one())


@pytest.mark.parametrize(("is_in_session", "name"), [(True, "Ann"), (False, "X")])
@pytest.mark.usefixtures("ann")
async def test_get_request_may_set_what_would_not_be_written(
    name: str, *, is_in_session: bool
) -> None:
    async with transaction(read_only=True) as db:
        user = (await db.scalars(select(User))).one()
        if not is_in_session:
            db.expunge(user)
        user.full_name = name


@pytest.mark.usefixtures("_migrated")
async def test_read_that_is_canceled_gives_its_connection_back() -> None:
    for _ in range(2 * POOL_SIZE):
        with CancelScope() as scope:
            async with transaction(read_only=True) as db:
                await db.execute(select(User))
                scope.cancel()
                await sleep(1)

    async with transaction(read_only=True) as db:
        await db.execute(select(User))


@pytest.mark.usefixtures("_migrated")
async def test_get_request_has_a_read_only_transaction_and_post_has_not() -> None:
    service = create_app()

    @service.api_route("/write", methods=["GET", "POST"])
    async def write(db: DbSession) -> None:
        await db.execute(text("DELETE FROM users WHERE id = 0"))

    async with client_for(service) as client:
        codes = [(await client.request(m, "/write")).status_code for m in ("GET", "POST", "GET")]

    assert codes == [500, 200, 500]
