"""User sessions: logins that have not ended."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, TimestampMixin


class UserSession(TimestampMixin, Base):
    """One login. Its tokens contain the id, and are invalid once the row is deleted.

    The refresh token is stored as a hash and replaced at each use (rotation, RFC 9700 §4.14).
    """

    __tablename__ = "user_sessions"

    id: Mapped[str] = mapped_column(String(43), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_hash: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    idle_expires_at: Mapped[datetime]
    client_ip: Mapped[str] = mapped_column(String(50), server_default="")  # of the last use
    user_agent: Mapped[str] = mapped_column(String(200), server_default="")

    @property
    def last_used_at(self) -> datetime:
        """Time of the login, or of the last token refresh."""
        return self.updated_at or self.created_at
