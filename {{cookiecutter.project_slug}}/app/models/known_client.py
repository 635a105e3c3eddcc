"""Known clients: client IPs from which the owner of an email has logged in."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class KnownClient(Base):
    """An email and a client IP, stored as one hash, until it expires."""

    __tablename__ = "known_clients"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    email_hash: Mapped[str] = mapped_column(String(64), index=True, server_default="")
    expires_at: Mapped[datetime] = mapped_column(index=True)
