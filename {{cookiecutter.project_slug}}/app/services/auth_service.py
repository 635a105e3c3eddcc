"""Authentication: log in with email and password."""

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.client import Client
from app.core.exceptions import (
    AuthenticationError,
    EmailNotVerifiedError,
    InactiveUserError,
    InvalidCredentialsError,
    PermissionDeniedError,
)
from app.core.passwords import check_queue, verify_password
from app.core.security_log import SecurityEvent, log_security_event
from app.db.session import commit_and_release
from app.models import User
from app.schemas.auth import TokenPair
from app.schemas.types import Email
from app.services.known_client_service import KnownClients
from app.services.rate_limit_service import Attempt, RateLimit, RateLimiter
from app.services.security_events import record
from app.services.session_service import SessionService
from app.services.user_service import UserService

_email = TypeAdapter[str](Email)


class AuthService:
    """Login with email and password, from one client."""

    def __init__(self, db: AsyncSession, client: Client) -> None:
        self.db = db
        self.client_ip = client.ip
        self.known_clients = KnownClients(db)
        self.rate_limits = RateLimiter(db)
        self.sessions = SessionService(db, client)
        self.users = UserService(db)

    async def log_in(self, username: str, password: str) -> TokenPair:
        """Log in: return the tokens of a new session. Login rate limits count failed attempts."""
        email = normalize_email(username)
        try:
            return await self._log_in(email, password)
        except (AuthenticationError, PermissionDeniedError) as error:
            log_security_event(SecurityEvent.LOGIN_FAILED, email=email, reason=error.code)
            raise

    async def _log_in(self, email: str, password: str) -> TokenPair:
        check_queue()  # before the attempt is counted
        attempts = await self._attempts(email)
        await self.rate_limits.consume(*attempts)
        user = await self._authenticate(await self.users.get_by_email(email), password)
        if not user.is_active:
            raise InactiveUserError
        if settings.REQUIRE_VERIFIED_EMAIL and not user.is_verified:
            raise EmailNotVerifiedError
        await self.rate_limits.refund(*attempts)
        tokens = await self.sessions.create(user.id)
        await self.known_clients.add(email, self.client_ip)
        record(self.db, SecurityEvent.LOGIN_SUCCEEDED, user.id, email)
        return tokens

    async def _attempts(self, email: str) -> list[Attempt]:
        """Return what the login rate limits count: per IP and email, per IP, per email."""
        attempts = [
            RateLimit.LOGIN_PER_IP_AND_EMAIL.attempt(self.client_ip, email),
            RateLimit.LOGIN_PER_IP.attempt(self.client_ip),
        ]
        if not await self.known_clients.contains(email, self.client_ip):
            attempts.append(RateLimit.LOGIN_PER_EMAIL.attempt(email))
        return attempts

    async def _authenticate(self, user: User | None, password: str) -> User:
        """Authenticate: it takes as long for an unknown email, against user enumeration."""
        await commit_and_release(self.db)
        hashed = user.hashed_password if user else None
        is_correct, new_hash = await verify_password(password, hashed)
        if user is None or not is_correct:
            raise InvalidCredentialsError
        found = await self.users.lock(user)
        if user.id not in found or user.hashed_password != hashed:
            raise InvalidCredentialsError
        user.hashed_password = new_hash or user.hashed_password
        return user


def normalize_email(username: str) -> str:
    """Return the email as it is stored, or "" for an invalid one."""
    try:
        return _email.validate_python(username)
    except ValidationError:
        return ""
