"""Purge: delete rows that have expired."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import transaction
from app.services.email_service import EmailService
from app.services.known_client_service import KnownClients
from app.services.rate_limit_service import RateLimiter
from app.services.session_service import SessionService

INTERVAL: float = 3600  # seconds


async def purge(db: AsyncSession) -> None:
    """Delete expired sessions, email tokens, rate limit counters and known clients."""
    for expiring in (SessionService(db), EmailService(db), RateLimiter(db), KnownClients(db)):
        await expiring.purge()


async def purge_in_background() -> None:
    """Purge in a transaction of its own."""
    async with transaction() as db:
        await purge(db)
