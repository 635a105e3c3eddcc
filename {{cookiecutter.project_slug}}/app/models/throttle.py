"""How often something was tried."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class Throttle(Base):
    """Tries in a window of time, by the hash of who tries what."""

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    hits: Mapped[int]
    window_end: Mapped[datetime] = mapped_column(index=True)
