"""The tables. Imported together, so that they find each other by name."""

from app.db.base import Base
from app.models.item import Item
from app.models.mail_token import MailToken
from app.models.session import Session
from app.models.throttle import Throttle
from app.models.user import User

__all__ = ["Base", "Item", "MailToken", "Session", "Throttle", "User"]
