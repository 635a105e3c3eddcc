"""One query for each request, on PostgreSQL or SQLite, with the checks of the service in it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dotenv import dotenv_values

ENV = dotenv_values(".env")
SCHEME, _, ADDRESS = str(ENV["DATABASE_URL"]).partition("://")
URL = f"{SCHEME.partition('+')[0]}://{ADDRESS}"  # without the driver
POOL_SIZE = 8  # connections

Row = Mapping[str, Any]

_USER = "u.id, u.email, u.pending_email, u.full_name, u.is_active, u.is_superuser, u.is_verified"
_ITEM = "i.id, i.title, i.description, i.owner_id, i.created_at, i.updated_at"
_RETURNED = _ITEM.replace("i.", "")
_AUTHENTICATED = """
    user_sessions s JOIN users u ON u.id = s.user_id AND s.id = $1 AND u.id = $2 AND u.is_active
    AND s.expires_at > $3 AND s.idle_expires_at > $3
"""
_OWN = f"""
    FROM items i WHERE i.owner_id = $2 AND EXISTS (SELECT 1 FROM {_AUTHENTICATED})
"""

ME = f"SELECT {_USER}, u.created_at, u.updated_at FROM {_AUTHENTICATED}"
ITEM = f"""
    SELECT {_ITEM} FROM {_AUTHENTICATED}
    LEFT JOIN items i ON i.id = $4 AND (u.is_superuser OR i.owner_id = u.id)
"""
ITEMS = f"SELECT {_ITEM} {_OWN} ORDER BY i.id LIMIT $4"
NEWEST_ITEMS = f"""
    SELECT {_ITEM} {_OWN} AND lower(i.title) LIKE '%' || lower($5) || '%'
    ORDER BY i.created_at DESC, i.id DESC LIMIT $4
"""
CREATE = f"""
    INSERT INTO items (title, description, owner_id, created_at)
    SELECT $4, $5, u.id, $3 FROM {_AUTHENTICATED} RETURNING {_RETURNED}
"""
UPDATE = f"""
    UPDATE items SET title = $5, updated_at = $3 FROM {_AUTHENTICATED}
    WHERE items.id = $4 AND (u.is_superuser OR items.owner_id = u.id)
    RETURNING {_ITEM.replace("i.", "items.")}
"""
USER = "SELECT id, hashed_password, is_active FROM users WHERE email = $1"
LOGIN = """
    INSERT INTO user_sessions (id, user_id, refresh_hash, expires_at, idle_expires_at, created_at)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING user_id
"""
REFRESH = """
    UPDATE user_sessions SET refresh_hash = $3, idle_expires_at = $4, updated_at = $5
    WHERE id = $1 AND refresh_hash = $2 AND expires_at > $5 AND idle_expires_at > $5
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_id AND u.is_active) RETURNING user_id
"""


class PostgreSQL:
    """A pool of asyncpg connections."""

    async def start(self) -> None:
        """Open the pool."""
        import asyncpg  # noqa: PLC0415 - a project on SQLite does not have it

        self._pool = await asyncpg.create_pool(URL, min_size=POOL_SIZE, max_size=POOL_SIZE)

    async def stop(self) -> None:
        """Close the pool."""
        await self._pool.close()

    async def fetch(self, statement: str, *values: object) -> list[Row]:
        """Execute a statement, and return its rows."""
        rows: list[Row] = await self._pool.fetch(statement, *values)
        return rows


class SQLite:
    """Connections of aiosqlite, each of which has a thread."""

    async def start(self) -> None:
        """Open the connections."""
        import aiosqlite  # noqa: PLC0415 - beside the other driver

        self._pool: asyncio.Queue[Any] = asyncio.Queue()
        for _ in range(POOL_SIZE):
            connection = await aiosqlite.connect(URL.partition("///")[2], isolation_level=None)
            connection.row_factory = _to_row
            for pragma in ("foreign_keys = ON", "journal_mode = WAL", "busy_timeout = 5000"):
                await connection.execute(f"PRAGMA {pragma}")
            self._pool.put_nowait(connection)

    async def stop(self) -> None:
        """Close the connections, whose threads would keep the process alive."""
        while not self._pool.empty():
            await self._pool.get_nowait().close()

    async def fetch(self, statement: str, *values: object) -> list[Row]:
        """Execute a statement, and return its rows."""
        parameters = {str(number): _to_text(value) for number, value in enumerate(values, 1)}
        connection = await self._pool.get()
        try:
            return list(await connection.execute_fetchall(statement, parameters))
        finally:
            self._pool.put_nowait(connection)


def _to_text(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def _to_row(cursor: Any, values: tuple[Any, ...]) -> Row:
    names = [column[0] for column in cursor.description]
    return {name: _parse(name, value) for name, value in zip(names, values, strict=True)}


def _parse(name: str, value: Any) -> Any:
    if name.endswith("_at") and value is not None:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return bool(value) if name.startswith("is_") else value


storage = SQLite() if URL.startswith("sqlite") else PostgreSQL()
