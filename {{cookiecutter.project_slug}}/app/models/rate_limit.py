"""Rate limit counters."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class RateLimitCounter(Base):
    """Number of attempts in a fixed window of time. The key is a hash of the limit and subject."""

    __tablename__ = "rate_limit_counters"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempts: Mapped[int]
    window_end: Mapped[datetime] = mapped_column(index=True)
