"""Who uses the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Base, Identified, Timestamped

if TYPE_CHECKING:
    from app.models.item import Item


class User(Identified, Timestamped, Base):
    """An account. Its email is stored in the one spelling that `app.schemas.base.Email` makes."""

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(255), unique=True)
    full_name: Mapped[str] = mapped_column(String(100))
    hashed_password: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    is_superuser: Mapped[bool] = mapped_column(default=False)
    is_verified: Mapped[bool] = mapped_column(default=False)

    items: Mapped[list[Item]] = relationship(
        back_populates="owner", lazy="raise", passive_deletes="all"
    )
