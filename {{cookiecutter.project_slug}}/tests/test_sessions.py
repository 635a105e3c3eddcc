"""A login opens a session; when it ends, all its tokens end with it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.secrets import fingerprint
from app.db.base import utc_now
from app.models import Session, User
from app.services.session_service import SessionService
from tests.conftest import PASSWORD, LogIn, MakeUser

Connect = Callable[[], Awaitable[AsyncClient]]
Tokens = dict[str, str]


@pytest.fixture
async def tokens(client: AsyncClient, ann: User) -> Tokens:
    """Return the tokens of a login."""
    form = {"username": ann.email, "password": PASSWORD}
    answer: Tokens = (await client.post("/auth/login", data=form)).json()
    return answer


async def refresh(client: AsyncClient, token: str, **others: str) -> Response:
    """Ask for the next pair of tokens."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await client.post("/auth/refresh", data=form | others)


async def is_good(client: AsyncClient, tokens: Tokens) -> bool:
    """Tell whether an access token is good."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return (await client.get("/users/me", headers=headers)).is_success


async def test_a_refresh_token_is_good_for_the_next_pair(
    client: AsyncClient, tokens: Tokens
) -> None:
    response = await refresh(client, tokens["refresh_token"], client_id="app", scope="")

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    renewed = response.json()
    assert renewed.keys() == tokens.keys()
    assert all(renewed[name] != tokens[name] for name in ("access_token", "refresh_token"))
    assert await is_good(client, renewed)
    assert (await refresh(client, renewed["refresh_token"])).status_code == 200


async def test_a_replayed_refresh_token_ends_its_session_and_no_other(
    client: AsyncClient, tokens: Tokens, as_ann: AsyncClient
) -> None:
    renewed = (await refresh(client, tokens["refresh_token"])).json()

    replay = await refresh(client, tokens["refresh_token"])

    assert replay.status_code == 401
    assert replay.headers["WWW-Authenticate"] == "Bearer"
    assert not await is_good(client, renewed)
    assert not await is_good(client, tokens)
    assert (await refresh(client, renewed["refresh_token"])).status_code == 401
    assert (await as_ann.get("/users/me")).is_success


@pytest.mark.parametrize(
    "token", ["", ".", "x", "x.y", "\0", "\ud800".encode(errors="replace"), "x" * 5000]
)
async def test_an_unknown_refresh_token_is_refused(client: AsyncClient, token: str) -> None:
    assert (await refresh(client, token)).status_code in {401, 422}


async def test_another_grant_is_refused(client: AsyncClient, tokens: Tokens) -> None:
    response = await refresh(client, tokens["refresh_token"], grant_type="password")

    assert response.status_code == 422
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_each_kind_of_token_is_good_in_its_place_only(
    client: AsyncClient, tokens: Tokens
) -> None:
    assert not await is_good(client, {"access_token": tokens["refresh_token"]})
    assert (await refresh(client, tokens["access_token"])).status_code == 401
    for token in (tokens["access_token"], tokens["refresh_token"]):
        body = {"token": token[:100], "new_password": "Another1Horse"}
        assert (await client.post("/auth/password/reset", json=body)).status_code == 422
        assert (await client.post("/auth/email/verify", json={"token": token[:100]})).is_error


async def test_a_refresh_token_is_stored_as_a_hash(db: AsyncSession, tokens: Tokens) -> None:
    session_id, _, secret = tokens["refresh_token"].partition(".")
    session = (await db.scalars(select(Session).where(Session.id == session_id))).one()

    assert session.refresh_hash == fingerprint(secret)
    assert len(secret) == 43


@pytest.mark.parametrize("column", ["expires_at", "idle_at"])
async def test_a_session_ends_by_itself(
    client: AsyncClient, db: AsyncSession, tokens: Tokens, column: str
) -> None:
    await db.execute(update(Session).values({column: utc_now() - timedelta(seconds=1)}))
    await db.commit()

    assert not await is_good(client, tokens)
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_a_logout_ends_this_session_alone_and_is_harmless_twice(
    as_ann: AsyncClient, client: AsyncClient, tokens: Tokens
) -> None:
    assert (await as_ann.post("/auth/logout")).status_code == 204

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_ann.post("/auth/logout")).status_code == 401
    assert await is_good(client, tokens)


async def test_sessions_are_listed_and_ended_one_by_one_or_all_at_once(
    as_ann: AsyncClient, as_bob: AsyncClient, client: AsyncClient, tokens: Tokens
) -> None:
    sessions = (await as_ann.get("/auth/sessions")).json()
    assert len(sessions) == 2  # and none of bob's
    assert sessions[0].keys() == {"id", "created_at", "updated_at", "expires_at"}
    assert sessions[0]["created_at"] >= sessions[1]["created_at"]

    other = tokens["refresh_token"].partition(".")[0]
    assert (await as_ann.delete(f"/auth/sessions/{other}")).status_code == 204
    assert not await is_good(client, tokens)
    assert len((await as_ann.get("/auth/sessions")).json()) == 1

    assert (await as_ann.delete("/auth/sessions")).status_code == 204
    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_bob.get("/users/me")).is_success


async def test_a_session_that_is_over_is_not_listed(
    as_ann: AsyncClient, db: AsyncSession, tokens: Tokens
) -> None:
    other = tokens["refresh_token"].partition(".")[0]
    over = update(Session).where(Session.id == other)
    await db.execute(over.values(idle_at=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert len((await as_ann.get("/auth/sessions")).json()) == 1


async def test_a_refresh_renews_the_idle_time_and_not_the_longest_life(
    client: AsyncClient, db: AsyncSession, tokens: Tokens
) -> None:
    soon = utc_now() + timedelta(minutes=1)
    await db.execute(update(Session).values(idle_at=soon, expires_at=soon))
    await db.commit()

    assert (await refresh(client, tokens["refresh_token"])).is_success

    session = (await db.scalars(select(Session))).one()
    await db.refresh(session)
    assert session.expires_at == soon
    assert session.idle_at > soon + timedelta(days=settings.SESSION_IDLE_DAYS - 1)


async def test_a_session_lives_as_long_as_the_settings_say(
    db: AsyncSession, tokens: Tokens
) -> None:
    assert tokens
    session = (await db.scalars(select(Session))).one()

    assert session.expires_at - session.created_at > timedelta(
        days=settings.SESSION_EXPIRE_DAYS - 1
    )
    assert session.idle_at - session.created_at < timedelta(days=settings.SESSION_IDLE_DAYS + 1)


async def test_many_logouts_at_once_are_all_well(as_ann: AsyncClient, db: AsyncSession) -> None:
    session = (await db.scalars(select(Session))).one()
    service = SessionService(db)

    for _ in range(2):
        await service.log_out(session.id)

    assert (await as_ann.get("/users/me")).status_code == 401


async def test_a_session_of_someone_else_does_not_exist(
    as_bob: AsyncClient, client: AsyncClient, tokens: Tokens
) -> None:
    session_id = tokens["refresh_token"].partition(".")[0]
    other = await as_bob.delete(f"/auth/sessions/{session_id}")
    missing = await as_bob.delete(f"/auth/sessions/{'x' * 43}")

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()
    assert await is_good(client, tokens)


async def test_a_deactivated_user_cannot_refresh(
    client: AsyncClient, db: AsyncSession, ann: User, tokens: Tokens
) -> None:
    ann.is_active = False
    await db.commit()

    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_a_deleted_user_leaves_no_session(
    as_ann: AsyncClient, db: AsyncSession, tokens: Tokens
) -> None:
    assert tokens
    await as_ann.delete("/users/me")

    assert await db.scalar(select(func.count()).select_from(Session)) == 0


async def test_a_token_of_one_user_does_not_open_the_session_of_another(
    make_user: MakeUser, log_in: LogIn, as_ann: AsyncClient, db: AsyncSession
) -> None:
    as_bob = await log_in(await make_user("bob"))
    await db.execute(update(Session).values(user_id=select(func.max(User.id)).scalar_subquery()))
    await db.commit()

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_bob.get("/users/me")).is_success


async def test_one_query_tells_who_asks(as_ann: AsyncClient, statements: list[str]) -> None:
    assert (await as_ann.get("/users/me")).is_success

    assert len(statements) == 1
