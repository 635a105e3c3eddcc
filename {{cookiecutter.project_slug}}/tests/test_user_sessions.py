"""User sessions: created by a login; when one ends, all its tokens end."""

from datetime import timedelta

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.security import hash_token
from app.db.base import utc_now
from app.models import User, UserSession
from app.services.session_service import SessionService
from tests.conftest import LogIn, MakeUser, OverrideSettings
from tests.helpers import CONFIRMED, NEW_PASSWORD, PASSWORD

Tokens = dict[str, str]
OTHER_KEY = "p0Wv7uTq2LmXk9Rz4NbYc6HdJf1GsAe8iOo5"


@pytest.fixture
async def tokens(client: AsyncClient, ann: User) -> Tokens:
    """Return the tokens of a login."""
    form = {"username": ann.email, "password": PASSWORD}
    response: Tokens = (await client.post("/auth/login", data=form)).json()
    return response


async def refresh(client: AsyncClient, token: str, **others: str) -> Response:
    """Request the next pair of tokens."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await client.post("/auth/refresh", data=form | others)


async def is_valid(client: AsyncClient, tokens: Tokens) -> bool:
    """Return whether an access token is accepted."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return (await client.get("/users/me", headers=headers)).is_success


async def test_refresh_token_returns_the_next_pair(client: AsyncClient, tokens: Tokens) -> None:
    response = await refresh(client, tokens["refresh_token"], client_id="app", scope="")

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    renewed = response.json()
    assert renewed.keys() == tokens.keys()
    assert all(renewed[name] != tokens[name] for name in ("access_token", "refresh_token"))
    assert await is_valid(client, renewed)
    assert (await refresh(client, renewed["refresh_token"])).status_code == 200


async def test_replayed_refresh_token_ends_its_session_and_no_other(
    client: AsyncClient, tokens: Tokens, as_ann: AsyncClient
) -> None:
    renewed = (await refresh(client, tokens["refresh_token"])).json()

    replay = await refresh(client, tokens["refresh_token"])

    assert replay.status_code == 401
    assert replay.headers["WWW-Authenticate"] == "Bearer"
    assert not await is_valid(client, renewed)
    assert not await is_valid(client, tokens)
    assert (await refresh(client, renewed["refresh_token"])).status_code == 401
    assert (await as_ann.get("/users/me")).is_success


@pytest.mark.parametrize(
    "token", ["", ".", "x", "x.y", "\0", "\ud800".encode(errors="replace"), "x" * 5000]
)
async def test_unknown_refresh_token_is_rejected(client: AsyncClient, token: str) -> None:
    assert (await refresh(client, token)).status_code in {401, 422}


async def test_refresh_with_another_grant_type_is_rejected(
    client: AsyncClient, tokens: Tokens
) -> None:
    response = await refresh(client, tokens["refresh_token"], grant_type="password")

    assert response.status_code == 422
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_access_and_refresh_tokens_are_not_interchangeable(
    client: AsyncClient, tokens: Tokens
) -> None:
    assert not await is_valid(client, {"access_token": tokens["refresh_token"]})
    assert (await refresh(client, tokens["access_token"])).status_code == 401
    for token in (tokens["access_token"], tokens["refresh_token"]):
        body = {"token": token[:100], "new_password": NEW_PASSWORD}
        assert (await client.post("/auth/password/reset", json=body)).status_code == 422
        assert (await client.post("/auth/email/verify", json={"token": token[:100]})).is_error


async def test_refresh_token_is_stored_as_a_hash(db: AsyncSession, tokens: Tokens) -> None:
    session_id, _, secret = tokens["refresh_token"].partition(".")
    session = (await db.scalars(select(UserSession).where(UserSession.id == session_id))).one()

    assert session.refresh_hash == hash_token(secret)
    assert len(secret) == 43


@pytest.mark.parametrize("column", ["expires_at", "idle_expires_at"])
async def test_session_ends_at_its_absolute_and_idle_timeout(
    client: AsyncClient, db: AsyncSession, tokens: Tokens, column: str
) -> None:
    await db.execute(update(UserSession).values({column: utc_now() - timedelta(seconds=1)}))
    await db.commit()

    assert not await is_valid(client, tokens)
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_logout_ends_this_session_only_and_a_second_logout_is_401(
    as_ann: AsyncClient, client: AsyncClient, tokens: Tokens
) -> None:
    assert (await as_ann.post("/auth/logout")).status_code == 204

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_ann.post("/auth/logout")).status_code == 401
    assert await is_valid(client, tokens)


async def test_sessions_are_listed_and_ended_one_by_one_or_all_at_once(
    as_ann: AsyncClient, as_bob: AsyncClient, client: AsyncClient, tokens: Tokens
) -> None:
    sessions = (await as_ann.get("/auth/sessions")).json()
    assert len(sessions) == 2  # and none of bob's
    assert sessions[0]["created_at"] >= sessions[1]["created_at"]

    other = tokens["refresh_token"].partition(".")[0]
    assert (await as_ann.delete(f"/auth/sessions/{other}")).status_code == 204
    assert not await is_valid(client, tokens)
    assert len((await as_ann.get("/auth/sessions")).json()) == 1

    assert (await as_ann.delete("/auth/sessions")).status_code == 204
    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_bob.get("/users/me")).is_success


async def test_session_shows_where_and_when_it_was_used(
    client: AsyncClient, ann: User, override_settings: OverrideSettings
) -> None:
    del ann
    override_settings(TRUSTED_PROXIES="127.0.0.1")
    at_home = {"User-Agent": "Firefox\x01" + "x" * 300, "X-Forwarded-For": "203.0.113.7"}
    form = {"username": "ann@example.com", "password": PASSWORD}
    login = (await client.post("/auth/login", data=form, headers=at_home)).json()
    await client.post("/auth/login", data=form)
    token = {"Authorization": f"Bearer {login['access_token']}"}

    other, current = (await client.get("/auth/sessions", headers=token)).json()

    assert (other["is_current"], current["is_current"]) == (False, True)
    assert (other["client_ip"], current["client_ip"]) == ("127.0.0.1", "203.0.113.7")
    assert current["user_agent"].startswith("Firefoxx")
    assert len(current["user_agent"]) == 200
    assert current["last_used_at"] == current["created_at"]

    travelling = {"User-Agent": "App", "X-Forwarded-For": "198.51.100.1"}
    form = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
    await client.post("/auth/refresh", data=form, headers=travelling)
    _, current = (await client.get("/auth/sessions", headers=token)).json()

    assert (current["client_ip"], current["user_agent"]) == ("198.51.100.1", "App")
    assert current["last_used_at"] > current["created_at"]


async def test_user_has_at_most_100_sessions_and_the_oldest_ends(
    as_ann: AsyncClient, db: AsyncSession, ann: User, make_user: MakeUser, tokens: Tokens
) -> None:
    await SessionService(db).create((await make_user("bob")).id)
    for _ in range(100):
        await SessionService(db).create(ann.id)

    listed = select(UserSession.id).where(UserSession.user_id == ann.id)
    kept = list(await db.scalars(listed))
    assert len(kept) == 100
    assert tokens["refresh_token"].partition(".")[0] not in kept
    assert (await as_ann.get("/users/me")).status_code == 401
    assert len(list(await db.scalars(select(UserSession)))) == 101  # that of bob stays


async def test_made_up_refresh_token_does_not_end_the_session(
    client: AsyncClient, tokens: Tokens
) -> None:
    session_id, _, secret = tokens["refresh_token"].partition(".")
    swapped = "A" if secret[-1] != "A" else "B"

    for made_up in (f"{session_id}.{'x' * 43}", f"{session_id}.{secret[:-1]}{swapped}"):
        assert (await refresh(client, made_up)).status_code == 401

    assert await is_valid(client, tokens)


async def test_replay_is_detected_after_the_signing_key_has_changed(
    client: AsyncClient, tokens: Tokens, override_settings: OverrideSettings
) -> None:
    rotated = (await refresh(client, tokens["refresh_token"])).json()
    old = settings.SECRET_KEY
    override_settings(SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=[old])

    assert (await refresh(client, tokens["refresh_token"])).status_code == 401

    assert (await refresh(client, rotated["refresh_token"])).status_code == 401


async def test_expired_session_is_not_listed(
    as_ann: AsyncClient, db: AsyncSession, tokens: Tokens
) -> None:
    other = tokens["refresh_token"].partition(".")[0]
    over = update(UserSession).where(UserSession.id == other)
    await db.execute(over.values(idle_expires_at=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert len((await as_ann.get("/auth/sessions")).json()) == 1


async def test_refresh_extends_the_idle_timeout_but_not_the_absolute_one(
    client: AsyncClient, db: AsyncSession, tokens: Tokens
) -> None:
    soon = utc_now() + timedelta(minutes=1)
    await db.execute(update(UserSession).values(idle_expires_at=soon, expires_at=soon))
    await db.commit()

    assert (await refresh(client, tokens["refresh_token"])).is_success

    session = (await db.scalars(select(UserSession))).one()
    await db.refresh(session)
    assert session.expires_at == soon
    assert session.idle_expires_at > soon + timedelta(days=6)


async def test_session_timeouts_follow_the_settings(
    db: AsyncSession, ann: User, override_settings: OverrideSettings
) -> None:
    override_settings(SESSION_EXPIRE_DAYS=5, SESSION_IDLE_DAYS=3)
    await SessionService(db).create(ann.id)
    session = (await db.scalars(select(UserSession))).one()

    minute = timedelta(minutes=1)
    assert abs(session.expires_at - session.created_at - timedelta(days=5)) < minute
    assert abs(session.idle_expires_at - session.created_at - timedelta(days=3)) < minute


async def test_logout_of_an_ended_session_succeeds(as_ann: AsyncClient, db: AsyncSession) -> None:
    session = (await db.scalars(select(UserSession))).one()
    service = SessionService(db)

    for _ in range(2):
        await service.log_out(session.id)

    assert (await as_ann.get("/users/me")).status_code == 401


async def test_session_of_another_user_is_404(
    as_bob: AsyncClient, client: AsyncClient, tokens: Tokens
) -> None:
    session_id = tokens["refresh_token"].partition(".")[0]
    other = await as_bob.delete(f"/auth/sessions/{session_id}")
    missing = await as_bob.delete(f"/auth/sessions/{'x' * 43}")

    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()
    assert await is_valid(client, tokens)


async def test_deactivated_user_cannot_refresh(
    client: AsyncClient, db: AsyncSession, ann: User, tokens: Tokens
) -> None:
    ann.is_active = False
    await db.commit()

    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_deleted_user_has_no_sessions(
    as_ann: AsyncClient, db: AsyncSession, tokens: Tokens
) -> None:
    assert tokens
    await as_ann.request("DELETE", "/users/me", json=CONFIRMED)

    assert await db.scalar(select(func.count()).select_from(UserSession)) == 0


async def test_access_token_with_the_session_of_another_user_is_rejected(
    make_user: MakeUser, log_in: LogIn, as_ann: AsyncClient, db: AsyncSession
) -> None:
    as_bob = await log_in(await make_user("bob"))
    await db.execute(
        update(UserSession).values(user_id=select(func.max(User.id)).scalar_subquery())
    )
    await db.commit()

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_bob.get("/users/me")).is_success


async def test_authentication_takes_one_query(as_ann: AsyncClient, statements: list[str]) -> None:
    assert (await as_ann.get("/users/me")).is_success

    assert len(statements) == 1


async def test_refresh_works_after_a_new_signing_key_and_another_issuer(
    client: AsyncClient, tokens: Tokens, override_settings: OverrideSettings
) -> None:
    override_settings(SECRET_KEY=OTHER_KEY, PROJECT_NAME="Another")
    assert not await is_valid(client, tokens)

    assert await is_valid(client, (await refresh(client, tokens["refresh_token"])).json())
