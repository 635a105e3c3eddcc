"""The rules about proving who one is."""

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import InactiveUserError, InvalidCredentialsError, InvalidTokenError
from app.core.passwords import verify_password
from app.core.security import LIFETIME, create_access_token, read_access_token
from app.models import User
from app.schemas.auth import TokenRead
from app.schemas.base import Email
from app.services.user_service import UserService

_email = TypeAdapter[str](Email)


class AuthService:
    """Logins, as one request sees them."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db
        self.users = UserService(db)

    async def log_in(self, username: str, password: str) -> TokenRead:
        """Return an access token for the active user with this email and password."""
        user = await self._authenticate(username, password)
        token = create_access_token(user.id)
        return TokenRead(access_token=token, expires_in=int(LIFETIME.total_seconds()))

    async def _authenticate(self, username: str, password: str) -> User:
        user = await self._find(username)
        await self.db.commit()  # lend no connection to the hashing
        right, new_hash = await verify_password(password, user.hashed_password if user else None)
        if user is None or not right:
            raise InvalidCredentialsError
        if not user.is_active:
            raise InactiveUserError
        if new_hash:
            user.hashed_password = new_hash
        return user

    async def get_user(self, token: str) -> User:
        """Return the active user whose access token this is."""
        user = await self.db.get(User, read_access_token(token).user_id)
        if user is None or not user.is_active:
            raise InvalidTokenError
        return user

    async def _find(self, username: str) -> User | None:
        try:
            return await self.users.get_by_email(_email.validate_python(username))
        except ValidationError:  # no account has such an address
            return None
