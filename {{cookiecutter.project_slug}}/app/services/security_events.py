"""Security events of a transaction: logged when it is committed."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security_log import SecurityEvent, log_security_event
from app.db.session import after_commit


def record(
    db: AsyncSession, event: SecurityEvent, target_id: int | None = None, email: str | None = None
) -> None:
    """Log an event once the transaction is committed."""
    after_commit(db, partial(log_security_event, event, target_id=target_id, email=email))
