"""Models: the tables. Imported together, so that relationships find each other by name."""

from app.db.base import Base as Base
from app.models.email_token import EmailToken as EmailToken
from app.models.item import Item as Item
from app.models.known_client import KnownClient as KnownClient
from app.models.rate_limit import RateLimitCounter as RateLimitCounter
from app.models.user import User as User
from app.models.user_session import UserSession as UserSession
