"""Models: the tables. Imported together, so that relationships find each other by name."""

from app.db.base import Base
from app.models.email_token import EmailToken
from app.models.item import Item
from app.models.known_client import KnownClient
from app.models.rate_limit import RateLimitCounter
from app.models.user import User
from app.models.user_session import UserSession

__all__ = ["Base", "EmailToken", "Item", "KnownClient", "RateLimitCounter", "User", "UserSession"]
