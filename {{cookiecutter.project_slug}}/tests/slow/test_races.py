"""Races between two servers: no session outlives its end, and nothing is used twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from itertools import cycle

import httpx2
import pytest

from tests.helpers import API, CONFIRMED, NEW_PASSWORD, NEW_USER, PASSWORD
from tests.slow.accounts import (
    Account,
    count_sessions,
    create_account,
    create_email_token,
    delete_superusers,
)
from tests.slow.server import serving

pytestmark = pytest.mark.xdist_group("races")

Servers = tuple[httpx2.AsyncClient, httpx2.AsyncClient]
UNLIMITED = dict.fromkeys(
    ("LOGIN_RATE_PER_IP_AND_EMAIL", "LOGIN_RATE_PER_IP", "LOGIN_RATE_PER_EMAIL"), "9999/60"
)


@pytest.fixture(scope="module")
def urls(database: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[list[str]]:
    """Yield the URLs of two servers with one database, which must not fail."""
    first, second = (tmp_path_factory.mktemp("server") / "log" for _ in range(2))
    with (
        serving(database, first, **UNLIMITED) as one,
        serving(database, second, **UNLIMITED) as two,
    ):
        yield [one.url(), two.url()]
        assert (one.stop(), two.stop()) == (0, 0)
    assert "Traceback" not in first.read_text() + second.read_text()


@pytest.fixture
async def servers(urls: list[str]) -> AsyncGenerator[Servers]:
    """Yield a client of each server."""
    one, two = (httpx2.AsyncClient(base_url=f"{url}{API}", timeout=30) for url in urls)
    async with one, two:
        yield one, two


async def refresh(server: httpx2.AsyncClient, token: str) -> httpx2.Response:
    """Request the next pair of tokens."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await server.post("/auth/refresh", data=form)


async def is_logged_out(servers: Servers, tokens: dict[str, str]) -> bool:
    """Return whether neither server accepts an access token."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    codes = [(await server.get("/users/me", headers=headers)).status_code for server in servers]
    return codes == [401, 401]


async def test_one_of_concurrent_registrations_of_an_email_succeeds(servers: Servers) -> None:
    async def register(server: httpx2.AsyncClient, number: int) -> int:
        email = "".join(
            c.upper() if number >> i & 1 else c for i, c in enumerate("racer@example.com")
        )
        body = NEW_USER | {"email": email, "password": PASSWORD}
        return (await server.post("/users/", json=body)).status_code

    codes = await asyncio.gather(*map(register, servers * 10, range(20)))

    assert Counter(codes) == {201: 1, 409: 19}


@pytest.mark.parametrize("end", ["password", "deactivation", "deletion"])
async def test_no_login_outlives_the_end_of_the_sessions(
    servers: Servers, database: str, end: str
) -> None:
    async def end_sessions() -> httpx2.Response:
        if end == "deletion":
            return await servers[1].delete(path, headers=root.headers)
        change = {"password": NEW_PASSWORD} if end == "password" else {"is_active": False}
        return await servers[1].patch(path, headers=root.headers, json=change | CONFIRMED)

    async def log_in(server: httpx2.AsyncClient) -> list[dict[str, str]]:
        logins = []
        while not is_over.is_set():
            logins.append(await server.post("/auth/login", data=form))
        return [login.json() for login in logins if login.is_success]

    root = await create_account(database, f"{end}-root", is_superuser=True)
    for number in range(5):
        account = await create_account(database, f"{end}{number}")
        path, form = f"/users/{account.id}", {"username": account.email, "password": PASSWORD}
        is_over = asyncio.Event()
        logins = asyncio.gather(*map(log_in, servers * 3))
        await asyncio.sleep(0.1)  # seconds

        assert (await end_sessions()).is_success

        is_over.set()
        tokens = [pair for pairs in await logins for pair in pairs]
        assert all([await is_logged_out(servers, pair) for pair in tokens])
        assert await count_sessions(database, account.email) == 0


async def test_no_rotation_outlives_the_end_of_the_sessions(
    servers: Servers, database: str
) -> None:
    async def rotate(tokens: dict[str, str]) -> dict[str, str]:
        for server in cycle(servers):
            response = await refresh(server, tokens["refresh_token"])
            if response.status_code == 401:
                break
            tokens = response.json()
        return tokens

    for number in range(5):
        account = await create_account(database, f"rotation{number}")
        form = {"username": account.email, "password": PASSWORD}
        logins = [await servers[0].post("/auth/login", data=form) for _ in range(4)]
        rotations = asyncio.gather(*(rotate(login.json()) for login in logins))
        await asyncio.sleep(0.05)  # seconds

        ended = await servers[number % 2].delete("/auth/sessions", headers=account.headers)

        assert ended.status_code == 204
        assert all([await is_logged_out(servers, tokens) for tokens in await rotations])
        assert await count_sessions(database, account.email) == 0


async def test_concurrent_uses_of_a_refresh_token_end_its_session(
    servers: Servers, database: str
) -> None:
    account = await create_account(database, "replay")
    token = account.refresh_token

    responses = await asyncio.gather(*(refresh(server, token) for server in servers * 5))

    assert Counter(response.status_code for response in responses) == {200: 1, 401: 9}
    assert await count_sessions(database, account.email) == 0


async def test_concurrent_removals_of_the_last_two_superusers_leave_one(
    servers: Servers, database: str
) -> None:
    def delete(server: httpx2.AsyncClient, account: Account) -> asyncio.Future[httpx2.Response]:
        request = server.request("DELETE", "/users/me", headers=account.headers, json=CONFIRMED)
        return asyncio.ensure_future(request)

    for number in range(5):
        await delete_superusers(database)
        names = f"first{number}", f"second{number}"
        accounts = [await create_account(database, name, is_superuser=True) for name in names]

        responses = await asyncio.gather(*map(delete, servers, accounts))

        assert sorted(response.status_code for response in responses) == [204, 409]


async def test_reset_token_is_used_once(servers: Servers, database: str) -> None:
    account = await create_account(database, "reset")
    token = await create_email_token(database, account, "reset", account.email)
    body = {"token": token, "new_password": NEW_PASSWORD}

    responses = await asyncio.gather(
        *(server.post("/auth/password/reset", json=body) for server in servers * 3)
    )

    assert Counter(response.status_code for response in responses) == {204: 1, 422: 5}


async def test_old_email_wins_against_the_verification_of_the_new_one(
    servers: Servers, database: str
) -> None:
    for number in range(5):
        new = f"new{number}@example.com"
        account = await create_account(database, f"undo{number}", pending_email=new)
        verification = {"token": await create_email_token(database, account, "verify", new)}
        undo = {"token": await create_email_token(database, account, "undo", account.email)}

        verified, undone = await asyncio.gather(
            servers[0].post("/auth/email/verify", json=verification, headers=account.headers),
            servers[1].post("/auth/email/undo", json=undo),
        )

        assert verified.status_code in {200, 401, 422}
        assert undone.status_code == 204
        assert await count_sessions(database, account.email) == 0
        form = {"username": new, "password": PASSWORD}
        assert (await servers[0].post("/auth/login", data=form)).status_code == 401
