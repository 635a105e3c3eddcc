"""How often something may be tried, by whom."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network

import pytest
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import dependencies
from app.config import Settings, settings
from app.core.exceptions import TooManyTriesError
from app.core.network import client_address
from app.core.secrets import fingerprint
from app.db.base import utc_now
from app.main import app
from app.models import MailToken, Throttle, User
from app.services import auth_service, user_service
from app.services.throttle_service import ThrottleService
from tests.conftest import PASSWORD, MakeUser

RIGHT = {"username": "ann@example.com", "password": PASSWORD}
WRONG = RIGHT | {"password": "Wrong1Horse"}

From = Callable[[str], AsyncClient]


@pytest.fixture
def client_from(db: AsyncSession) -> From:
    """Return a function that returns a client at an address."""
    del db  # the transaction that the service works in

    def _client_from(address: str) -> AsyncClient:
        transport = ASGITransport(app=app, client=(address, 1), raise_app_exceptions=False)
        return AsyncClient(transport=transport, base_url=f"http://test{settings.API_V1_PREFIX}")

    return _client_from


async def log_in(client: AsyncClient, form: dict[str, str], times: int = 1) -> list[int]:
    """Try to log in, and return the status codes."""
    return [(await client.post("/auth/login", data=form)).status_code for _ in range(times)]


@pytest.mark.usefixtures("ann")
async def test_the_sixth_wrong_password_has_to_wait(client: AsyncClient) -> None:
    assert await log_in(client, WRONG, 6) == [401] * 5 + [429]

    response = await client.post("/auth/login", data=RIGHT | {"username": " ANN@example.com"})
    assert response.status_code == 429  # the right one as well, in any spelling
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_an_unknown_account_is_counted_like_a_known_one(client: AsyncClient) -> None:
    assert await log_in(client, WRONG, 6) == [401] * 5 + [429]


@pytest.mark.usefixtures("ann")
async def test_the_wait_ends(client: AsyncClient, db: AsyncSession) -> None:
    await log_in(client, WRONG, 6)
    await db.execute(update(Throttle).values(window_end=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert await log_in(client, RIGHT) == [200]


@pytest.mark.usefixtures("ann")
async def test_a_success_takes_back_its_own_try_and_no_other(client: AsyncClient) -> None:
    assert await log_in(client, WRONG, 4) == [401] * 4
    assert await log_in(client, RIGHT, 10) == [200] * 10
    assert await log_in(client, WRONG, 2) == [401, 429]


@pytest.mark.usefixtures("ann")
async def test_a_stranger_cannot_lock_the_owner_out(client_from: From) -> None:
    await log_in(client_from("203.0.113.1"), WRONG, 10)

    assert await log_in(client_from("203.0.113.2"), RIGHT) == [200]


@pytest.mark.usefixtures("ann")
async def test_many_strangers_are_stopped_and_the_owner_is_not(
    client_from: From, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, LOGIN_LIMIT_PER_ACCOUNT="3/60")
    assert await log_in(client_from("203.0.113.9"), RIGHT) == [200]  # the owner is known here

    tries = [await log_in(client_from(f"203.0.113.{n}"), WRONG) for n in range(5)]

    assert tries == [[401], [401], [401], [429], [429]]
    assert await log_in(client_from("203.0.113.9"), RIGHT) == [200]


async def test_a_password_tried_on_many_accounts_is_counted(
    client_from: From, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, LOGIN_LIMIT_PER_ADDRESS="3/60")
    names = [WRONG | {"username": f"user{n}@example.com"} for n in range(5)]

    codes = [await log_in(client_from(f"2001:db8::{n}"), name) for n, name in enumerate(names)]

    assert codes == [[401], [401], [401], [429], [429]]
    assert await log_in(client_from("2001:db8:0:1::1"), names[0]) == [401]  # another network


@pytest.mark.usefixtures("ann")
async def test_a_forged_header_makes_no_new_client(client: AsyncClient) -> None:
    codes = []
    for number in range(6):
        client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        codes += await log_in(client, WRONG)

    assert codes == [401] * 5 + [429]


async def test_registrations_are_limited(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings.model_copy(update={"REGISTRATION_LIMIT": "2/60"})
    monkeypatch.setattr(user_service, "settings", limited)
    people = [
        {"email": f"p{n}@example.com", "full_name": "P", "password": PASSWORD} for n in range(3)
    ]

    codes = [(await client.post("/users/", json=person)).status_code for person in people]

    assert codes == [201, 201, 429]


async def test_mails_are_limited_for_an_account_and_for_an_address(
    client: AsyncClient, as_ann: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, MAIL_LIMIT_PER_ACCOUNT="2/60", MAIL_LIMIT_PER_ADDRESS="4/60")
    body = {"email": "ann@example.com"}

    codes = [(await client.post("/auth/password/forgot", json=body)).status_code for _ in range(3)]
    codes.append((await as_ann.post("/auth/email/verify/request")).status_code)
    for number in range(3):
        body = {"email": f"x{number}@example.com"}
        codes.append((await client.post("/auth/password/forgot", json=body)).status_code)

    assert codes == [202, 202, 429, 202, 429, 429, 429]


async def test_guesses_of_the_current_password_are_limited(as_ann: AsyncClient) -> None:
    guess = {"email": "new@example.com", "current_password": "Wrong1Horse"}

    codes = [(await as_ann.patch("/users/me", json=guess)).status_code for _ in range(6)]

    assert codes == [403] * 5 + [429]


@pytest.mark.usefixtures("ann")
async def test_nobody_is_named_in_the_counts(client: AsyncClient, db: AsyncSession) -> None:
    await log_in(client, WRONG)

    keys = list(await db.scalars(select(Throttle.key)))
    assert keys
    assert all(len(key) == 64 for key in keys)


async def test_more_passwords_than_can_be_checked_soon_are_sent_away(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.passwords.LONGEST_QUEUE", 0)

    response = await client.post("/auth/login", data=WRONG)

    assert response.status_code == 503
    assert response.headers["Retry-After"]


@pytest.mark.parametrize(
    ("peer", "port", "forwarded", "address"),
    [
        ("203.0.113.5", 1, "", "203.0.113.5"),
        ("203.0.113.5", 1, "198.51.100.1", "203.0.113.5"),  # nobody's proxy
        ("203.0.113.5", 1, "203.0.113.5, 198.51.100.1", "203.0.113.5"),
        ("203.0.113.5", 7, "198.51.100.1, 203.0.113.5:7", "127.0.0.1"),  # no use to a liar
        ("10.0.0.1", 1, "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", 1, "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # the client made the first up
        ("10.0.0.1", 1, "10.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", 1, "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", 1, "", "10.0.0.1"),
        ("10.0.0.1", 1, "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", 1, "rubbish", "10.0.0.1"),
        ("198.51.100.1", 0, "198.51.100.1", "127.0.0.1"),  # uvicorn has taken it over already
        ("198.51.100.1", 7, "198.51.100.1:7", "127.0.0.1"),
        ("2001:db8::1:2", 1, "", "2001:db8::/64"),
        ("::ffff:203.0.113.5", 1, "", "203.0.113.5"),
        ("::ffff:10.0.0.1", 1, "::ffff:198.51.100.1", "198.51.100.1"),
        ("socket", 1, "", "socket"),
    ],
)
def test_an_address_is_believed_if_a_trusted_proxy_tells(
    peer: str, port: int, forwarded: str, address: str
) -> None:
    needed = {"SECRET_KEY": settings.SECRET_KEY, "DATABASE_URL": "sqlite://"}
    trusted = Settings.model_validate(needed | {"TRUSTED_PROXIES": "10.0.0.0/8"}).TRUSTED_PROXIES

    assert client_address(peer, port, forwarded, trusted) == address


def configure(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Change the limits."""
    monkeypatch.setattr(auth_service, "settings", settings.model_copy(update=values))


async def test_a_window_is_not_made_longer_by_further_tries(
    client: AsyncClient, db: AsyncSession
) -> None:
    await log_in(client, WRONG)
    first = set(await db.scalars(select(Throttle.window_end)))
    await log_in(client, WRONG)

    assert set(await db.scalars(select(Throttle.window_end))) == first


async def test_registrations_are_counted_for_each_address(
    client_from: From, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings.model_copy(update={"REGISTRATION_LIMIT": "1/60"})
    monkeypatch.setattr(user_service, "settings", limited)

    codes: list[int] = []
    for number in (1, 1, 2):
        person = {"email": f"p{len(codes)}@example.com", "full_name": "P", "password": PASSWORD}
        client = client_from(f"203.0.113.{number}")
        codes.append((await client.post("/users/", json=person)).status_code)

    assert codes == [201, 429, 201]


async def test_nobody_is_sent_mails_by_registering_and_deleting_an_account(
    client: AsyncClient, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings.model_copy(update={"MAIL_LIMIT_PER_ACCOUNT": "2/60"})
    monkeypatch.setattr(user_service, "settings", limited)
    person = {"email": "victim@example.com", "full_name": "V", "password": PASSWORD}

    links = []
    for _ in range(3):
        assert (await client.post("/users/", json=person)).status_code == 201
        links.append(await db.scalar(select(func.count()).select_from(MailToken)))
        await db.execute(delete(User))
        await db.commit()

    assert links == [1, 1, 0]


async def test_who_fails_to_register_uses_up_the_mail_of_nobody(
    client: AsyncClient, ann: User, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings.model_copy(update={"MAIL_LIMIT_PER_ACCOUNT": "1/60"})
    monkeypatch.setattr(user_service, "settings", limited)
    person = {"email": ann.email, "full_name": "A", "password": PASSWORD}

    assert (await client.post("/users/", json=person)).status_code == 409
    await db.delete(ann)
    await db.commit()

    assert (await client.post("/users/", json=person)).status_code == 201
    assert await db.scalar(select(func.count()).select_from(MailToken)) == 1


async def test_nobody_uses_up_the_mails_of_strangers(
    as_ann: AsyncClient, client: AsyncClient, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings.model_copy(update={"MAIL_LIMIT_PER_ACCOUNT": "2/60"})
    monkeypatch.setattr(user_service, "settings", limited)
    person = {"email": "bob@example.com", "full_name": "B", "password": PASSWORD}

    for email in ("new@example.com", "new@example.com", *["bob@example.com"] * 3):
        await as_ann.patch("/users/me", json={"email": email})

    assert (await client.post("/users/", json=person)).status_code == 201
    assert await db.scalar(select(func.count()).select_from(MailToken)) == 1


@pytest.mark.usefixtures("ann")
async def test_an_address_is_familiar_since_the_last_login(
    client_from: From, db: AsyncSession
) -> None:
    owner = client_from("203.0.113.9")
    familiar = Throttle.key == fingerprint("familiar:ann@example.com|203.0.113.9")
    await log_in(owner, RIGHT)
    soon = utc_now() + timedelta(hours=1)
    await db.execute(update(Throttle).where(familiar).values(window_end=soon))
    await db.commit()
    await log_in(owner, RIGHT)

    end = await db.scalar(select(Throttle.window_end).where(familiar))
    assert end is not None
    assert end > soon + timedelta(days=80)


@pytest.mark.usefixtures("ann")
async def test_an_address_does_not_stay_familiar_for_ever(
    client_from: From, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, LOGIN_LIMIT_PER_ACCOUNT="1/60")
    owner = client_from("203.0.113.9")
    assert await log_in(owner, RIGHT) == [200]
    await log_in(client_from("203.0.113.1"), WRONG)  # strangers have used up their tries
    assert await log_in(owner, RIGHT) == [200]

    familiar = fingerprint("familiar:ann@example.com|203.0.113.9")
    over = update(Throttle).where(Throttle.key == familiar)
    await db.execute(over.values(window_end=utc_now() - timedelta(seconds=1)))
    await db.commit()

    assert await log_in(owner, RIGHT) == [429]


async def test_no_more_tries_are_taken_back_than_were_counted(db: AsyncSession) -> None:
    throttle = ThrottleService(db)
    await throttle.hit({"something": "1/60"})
    await throttle.forgive("something")
    await throttle.forgive("something")
    await throttle.hit({"something": "1/60"})

    with pytest.raises(TooManyTriesError):
        await throttle.hit({"something": "1/60"})


async def test_an_inactive_user_is_counted_though_the_password_is_right(
    client: AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ann", is_active=False)

    assert await log_in(client, RIGHT, 6) == [403] * 5 + [429]


async def test_a_try_that_nobody_had_time_for_is_not_counted(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr("app.core.passwords.LONGEST_QUEUE", 0)
        assert await log_in(client, WRONG, 6) == [503] * 6

    assert await log_in(client, WRONG) == [401]


async def test_a_trusted_proxy_tells_who_is_calling(
    client_from: From, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = settings.model_copy(update={"TRUSTED_PROXIES": [ip_network("10.0.0.0/8")]})
    monkeypatch.setattr(dependencies, "settings", trusting)
    proxy = client_from("10.0.0.1")

    async def log_in_behind(*forwarded: str) -> int:
        headers = [("X-Forwarded-For", hop) for hop in forwarded]
        return (await proxy.post("/auth/login", data=WRONG, headers=headers)).status_code

    assert [await log_in_behind("203.0.113.1") for _ in range(6)] == [401] * 5 + [429]
    assert await log_in_behind("203.0.113.2") == 401
    # A client makes a header up; the proxy adds one of its own.
    assert await log_in_behind("203.0.113.3", "203.0.113.1") == 429
    assert await log_in_behind("203.0.113.1", "203.0.113.3") == 401


async def test_a_known_address_makes_no_more_work_than_an_unknown_one(
    client: AsyncClient, ann: User, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[str] = []

    async def send_link(email: str, _purpose: str) -> None:
        later.append(email)

    monkeypatch.setattr(auth_service, "_send_link", send_link)
    work = []
    for email in (ann.email, "nobody@example.com"):
        statements.clear()
        await log_in(client, WRONG | {"username": email})
        await client.post("/auth/password/forgot", json={"email": email})
        work.append([statement.split()[0] for statement in statements])

    assert work[0] == work[1]
    assert later == [ann.email, "nobody@example.com"]
