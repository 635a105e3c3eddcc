"""Items, which users own."""

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, backref, mapped_column, relationship

from app.db.base import Base, IdMixin, TimestampMixin
from app.models.user import User


class Item(IdMixin, TimestampMixin, Base):
    """An item, deleted together with its owner.

    Its owner has `items`.
    """

    __tablename__ = "items"

    title: Mapped[str] = mapped_column(String(200), index=True)
    description: Mapped[str | None] = mapped_column(Text)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)

    owner: Mapped[User] = relationship(
        lazy="raise", backref=backref("items", lazy="raise", passive_deletes="all")
    )


Index(None, Item.created_at)
