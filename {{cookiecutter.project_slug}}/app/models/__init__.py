"""The tables. Imported together, so that they find each other by name."""

from app.db.base import Base
from app.models.item import Item
from app.models.user import User

__all__ = ["Base", "Item", "User"]
