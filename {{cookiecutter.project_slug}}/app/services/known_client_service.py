"""Known clients: client IPs from which the owner of an email has logged in before.

They are exempt from the login rate limit per email, so that strangers cannot lock the owner out.
"""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import sha256_hex
from app.db.base import utc_now
from app.db.dialects import insert
from app.models import KnownClient

KNOWN_CLIENT_TTL = timedelta(days=90)  # since the last login


class KnownClients:
    """Pairs of email and client IP. The hashes hide them from a glance, not from a search."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def add(self, email: str, client_ip: str) -> None:
        """Remember a client for `KNOWN_CLIENT_TTL` from now on."""
        expires_at = utc_now() + KNOWN_CLIENT_TTL
        known = insert(self.db, KnownClient).values(
            key=_key(email, client_ip), email_hash=sha256_hex(email), expires_at=expires_at
        )
        await self.db.execute(
            known.on_conflict_do_update(index_elements=["key"], set_={"expires_at": expires_at})
        )

    async def contains(self, email: str, client_ip: str) -> bool:
        """Return whether the owner of the email has logged in from this client IP."""
        known = select(KnownClient.key).where(
            KnownClient.key == _key(email, client_ip), KnownClient.expires_at > utc_now()
        )
        return await self.db.scalar(known) is not None

    async def forget(self, email: str) -> None:
        """Forget the clients of an email: somebody else may have used it before."""
        clients = KnownClient.email_hash == sha256_hex(email)
        await self.db.execute(delete(KnownClient).where(clients))

    async def purge(self) -> None:
        """Delete clients that have expired."""
        await self.db.execute(delete(KnownClient).where(KnownClient.expires_at < utc_now()))


def _key(email: str, client_ip: str) -> str:
    return sha256_hex(f"{email}|{client_ip}")
