"""The requests that are measured, and the data that they need."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx2

from benchmarks.accounts import PASSWORD
from tests.projects import Project

CONNECTIONS = 64  # at most
ITEMS = 1_000  # of the user who sends the requests
OTHER_ITEMS = 200_000  # of another user, for pages far behind the first one
ANN, BEN = "ann@example.com", "ben@example.com"
CLEO = "cleo@example.com"  # logs in: the oldest sessions of a user end
INSERT_ITEMS = """
import asyncio, sys
from datetime import timedelta
from sqlalchemy import insert, text
from app.db.base import utc_now
from app.db.session import engine, transaction
from app.models import Item

async def main(owner_id, count):
    now = utc_now()
    rows = [
        {
            "title": f"{n * 7919 % 1_000_003:07} item",
            "description": f"Description of item {n}" if n % 2 else None,
            "owner_id": owner_id,
            "created_at": now - timedelta(seconds=n * 104729 % 1_000_003),
        }
        for n in range(count)
    ]
    async with transaction() as db:
        for start in range(0, count, 10_000):
            await db.execute(insert(Item), rows[start : start + 10_000])
    async with transaction() as db:
        await db.execute(text("ANALYZE"))
    await engine.dispose()

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""


@dataclass(frozen=True)
class Scenario:
    """Requests of one kind: what connection `n` sends, and how its responses are checked."""

    name: str
    request: Callable[[int], str]
    status: int = 200
    is_fixed: bool = True
    is_chained: bool = False
    goal: float | None = None  # server CPU, times the practical ceiling
    servers: tuple[str, ...] = ()  # empty: all of them


class Data:
    """Users, sessions and items in the database of the project."""

    def __init__(self, project: Project, url: str) -> None:
        """Fill the database through a running service."""
        with httpx2.Client(base_url=f"{url}/api/v1", timeout=60) as client:
            ids = [self._register(client, email) for email in (ANN, BEN, CLEO)]
            self.sessions = new_sessions(url, CONNECTIONS)
            self.other = _log_in(client, BEN)
            for user_id, count in zip(ids, (ITEMS, OTHER_ITEMS, 0), strict=True):
                project.run("python", "-c", INSERT_ITEMS, str(user_id), str(count))
            headers = {"Authorization": f"Bearer {self.token}"}
            items = client.get("/items/", headers=headers).json()
            self.item_ids = [item["id"] for item in items]

    @property
    def token(self) -> str:
        """Access token of the user with few items."""
        return self.sessions[0]["access_token"]

    @staticmethod
    def _register(client: httpx2.Client, email: str) -> int:
        body = {"email": email, "full_name": "Somebody", "password": PASSWORD}
        return int(client.post("/users/", json=body).raise_for_status().json()["id"])

    def scenarios(self) -> list[Scenario]:
        """Return what is measured."""
        ids, api = self.item_ids, "/api/v1/items/"
        newest = f"{api}?sort=-created_at&q=7&limit=20"
        new = {"title": "A new item", "description": "What it is."}
        return [
            Scenario("liveness", lambda _: http("GET", "/health/live"), goal=1.9),
            Scenario("users/me", lambda _: self.get("/api/v1/users/me"), goal=2.6),
            Scenario("one item", lambda _: self.get(f"{api}{ids[0]}"), goal=3.3),
            Scenario("100 items", lambda _: self.get(api), goal=2.1),
            Scenario("20 items, filtered and sorted", lambda _: self.get(newest)),
            Scenario(
                "create", lambda _: self.send("POST", api, new), 201, is_fixed=False, goal=4.2
            ),
            Scenario(
                "update",
                lambda n: self.send("PATCH", f"{api}{ids[n]}", {"title": "Changed"}),
                is_fixed=False,
            ),
            Scenario("login", lambda _: self.log_in(), is_fixed=False),
            Scenario(
                "refresh",
                self.refresh,
                is_fixed=False,
                is_chained=True,
                servers=("service", "ceiling", "limit"),
            ),
        ]

    def get(self, path: str, token: str = "") -> str:
        """Return a GET request with authentication."""
        return http("GET", path, {"Authorization": f"Bearer {token or self.token}"})

    def send(self, method: str, path: str, content: object) -> str:
        """Return a request with authentication and JSON."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return http(method, path, headers, json.dumps(content))

    def log_in(self) -> str:
        """Return a login."""
        return form("/api/v1/auth/login", username=CLEO, password=PASSWORD)

    def refresh(self, number: int) -> str:
        """Return the refresh of a session."""
        token = self.sessions[number]["refresh_token"]
        return form("/api/v1/auth/refresh", grant_type="refresh_token", refresh_token=token)


def new_sessions(url: str, count: int) -> list[dict[str, str]]:
    """Log in several times, and return the tokens."""
    with httpx2.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        return [_log_in(client, ANN) for _ in range(count)]


def _log_in(client: httpx2.Client, email: str) -> dict[str, str]:
    response = client.post("/auth/login", data={"username": email, "password": PASSWORD})
    return {name: str(value) for name, value in response.raise_for_status().json().items()}


def form(path: str, **fields: str) -> str:
    """Return a POST request with a form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return http("POST", path, headers, urlencode(fields))


def http(method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> str:
    """Return an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", body])
