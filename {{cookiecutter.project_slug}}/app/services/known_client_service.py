"""Known clients: client IPs from which the owner of an email has logged in before.

They are exempt from the login rate limit per email, so that strangers cannot lock the owner out.
"""

from datetime import timedelta

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import sha256_hex
from app.db.base import table_of, utc_now
from app.db.dialects import dialect_insert
from app.db.session import engine
from app.models import KnownClient

KNOWN_CLIENT_TTL = timedelta(days=90)  # since the last login
# Statements that many requests execute are built once: building takes as long as executing.
CLIENTS = table_of(KnownClient)
FIND_CLIENT = select(CLIENTS.c.key).where(
    CLIENTS.c.key == bindparam("client"), CLIENTS.c.expires_at > bindparam("now")
)
EXPIRES_AT = bindparam("expiry", type_=CLIENTS.c.expires_at.type)
ADD_CLIENT = (
    dialect_insert(engine.dialect.name, CLIENTS)
    .values(key=bindparam("client"), email_hash=bindparam("hashed_email"), expires_at=EXPIRES_AT)
    .on_conflict_do_update(index_elements=["key"], set_={"expires_at": EXPIRES_AT})
)


class KnownClients:
    """Pairs of email and client IP. The hashes hide them from a glance, not from a search."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def add(self, email: str, client_ip: str) -> None:
        """Remember a client for `KNOWN_CLIENT_TTL` from now on."""
        values = {
            "client": _key(email, client_ip),
            "hashed_email": sha256_hex(email),
            "expiry": utc_now() + KNOWN_CLIENT_TTL,
        }
        await self.db.execute(ADD_CLIENT, values)

    async def contains(self, email: str, client_ip: str) -> bool:
        """Return whether the owner of the email has logged in from this client IP."""
        values = {"client": _key(email, client_ip), "now": utc_now()}
        return await self.db.scalar(FIND_CLIENT, values) is not None

    async def forget(self, email: str) -> None:
        """Forget the clients of an email: somebody else may have used it before."""
        clients = KnownClient.email_hash == sha256_hex(email)
        await self.db.execute(delete(KnownClient).where(clients))

    async def purge(self) -> None:
        """Delete clients that have expired."""
        await self.db.execute(delete(KnownClient).where(KnownClient.expires_at < utc_now()))


def _key(email: str, client_ip: str) -> str:
    return sha256_hex(f"{email}|{client_ip}")
