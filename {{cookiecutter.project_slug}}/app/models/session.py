"""Logins that are still good."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamped


class Session(Timestamped, Base):
    """One login. Tokens name it, and are worth nothing once it is gone.

    Its refresh token is stored as a hash only, and changes at each use (RFC 9700 §4.14).
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(43), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_hash: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    idle_at: Mapped[datetime]
