"""Accounts: registration, email verification, password reset and account changes."""

import asyncio
from functools import partial
from random import SystemRandom

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.exceptions import (
    ConcurrentChangeError,
    CurrentPasswordError,
    RegistrationClosedError,
    SuperuserRequiredError,
)
from app.core.password_policy import reject_guessable
from app.core.passwords import check_queue, verify_password
from app.db.session import transaction
from app.models import User
from app.schemas.user import UserAdminUpdate, UserCreate, UserUpdate
from app.services.email_service import EmailService, Purpose
from app.services.known_client_service import KnownClients
from app.services.rate_limit_service import RateLimit, RateLimiter
from app.services.session_service import SessionService
from app.services.user_service import UserService

EMAIL_DELAY_SECONDS = (0.5, 2.0)  # at least, at most
# Fields that only superusers set.
ADMIN_FIELDS = UserAdminUpdate.model_fields.keys() - UserUpdate.model_fields.keys()
# Fields that have rules of their own; all others are columns, set as they are.
GUARDED_FIELDS = {"email", "password", "current_password", "is_active", "is_superuser"}


class AccountService:
    """Accounts: the changes that a client IP requests."""

    def __init__(self, db: AsyncSession, emails: EmailService, client_ip: str) -> None:
        self.db = db
        self.emails = emails
        self.client_ip = client_ip
        self.known_clients = KnownClients(db)
        self.rate_limits = RateLimiter(db)
        self.sessions = SessionService(db)
        self.users = UserService(db)

    async def register(self, user_in: UserCreate) -> User:
        """Register a user, and send a verification email."""
        if not settings.REGISTRATION_OPEN:
            raise RegistrationClosedError
        await self.rate_limits.consume(RateLimit.REGISTRATION_PER_IP.attempt(self.client_ip))
        user = await self.users.create(user_in)
        await self.emails.send_verification(user)
        return user

    async def request_email_token(self, email: str, purpose: Purpose) -> None:
        """Request a verification or reset email: accepted for every email (user enumeration)."""
        await self.rate_limits.consume(
            RateLimit.EMAIL_PER_IP.attempt(self.client_ip),
            RateLimit.EMAIL_PER_RECIPIENT.attempt(email),
        )
        self.emails.outbox.append(partial(_send_requested_token, email, purpose))

    async def verify_email(self, token: str) -> None:
        """Mark the email as verified."""
        user = await self.emails.redeem_token(token, "verify")
        user.is_verified = True

    async def reset_password(self, token: str, new_password: SecretStr) -> None:
        """Reset the password with an email token, and add the client IP to the known clients."""
        owner = await self.emails.get_user_by_token(token, "reset")
        new_hash = await self.users.hash_new_password(new_password, owner.email, owner.full_name)
        user = await self.emails.redeem_token(token, "reset")
        user.is_verified = True
        await self.change_password(user, new_hash)
        await self.emails.send_password_changed(user)
        await self.known_clients.add(user.email, self.client_ip)

    async def update(self, user: User, user_in: UserUpdate, *, actor: User) -> User:
        """Update an account with the sent fields of a PATCH body, all or none.

        Verifying and hashing passwords come first, while no connection is held; then the rows are
        locked and checked again, then all changes are applied in one transaction.
        """
        if user_in.model_fields_set & ADMIN_FIELDS and not actor.is_superuser:
            raise SuperuserRequiredError
        email, full_name = user_in.email or user.email, user_in.full_name or user.full_name
        if user_in.password:
            reject_guessable(user_in.password, email, full_name)
        verified_hash = new_hash = None
        if actor.id == user.id and (user_in.email or user_in.password):
            verified_hash = await self._verify_current_password(user, user_in.current_password)
            await self._limit_email_changes(user, user_in.email)
        if user_in.password:
            new_hash = await self.users.hash_new_password(user_in.password, email, full_name)
        await self._lock(user, user_in, verified_hash)
        await self._apply(user, user_in, new_hash)
        return user

    async def change_password(self, user: User, new_hash: str) -> None:
        """Change the password: all sessions and reset tokens end."""
        user.hashed_password = new_hash
        await self.db.flush()
        await self.sessions.end_all(user)
        await self.emails.revoke_tokens(user, "reset")

    async def change_email(self, user: User, new_email: str) -> None:
        """Change the email: it must be verified again, and a notice is sent to the old one."""
        old_email, user.email, user.is_verified = user.email, new_email, False
        await self.users.flush()
        await self.emails.send_email_changed(old_email)
        await self.emails.send_verification(user)

    async def _verify_current_password(self, user: User, password: SecretStr | None) -> str:
        """Require the current password, so that a stolen session cannot take over the account.

        Returns:
            The hash that was compared with; it may be outdated after the comparison.
        """
        check_queue()  # before the attempt is counted
        attempt = RateLimit.PASSWORD_CONFIRMATION_PER_USER.attempt(user.id)
        await self.rate_limits.consume(attempt)
        hashed, given = user.hashed_password, password.get_secret_value() if password else ""
        if not (await verify_password(given, hashed)).is_correct:
            raise CurrentPasswordError
        await self.rate_limits.refund(attempt)
        return hashed

    async def _limit_email_changes(self, user: User, new_email: str | None) -> None:
        if new_email and new_email != user.email:
            await self.rate_limits.consume(RateLimit.EMAIL_CHANGE_PER_USER.attempt(user.id))

    async def _lock(self, user: User, user_in: UserUpdate, verified_hash: str | None) -> None:
        """Lock and read again what is changed, after the slow work: superusers, then the user."""
        if isinstance(user_in, UserAdminUpdate) and _revokes_privileges(user_in):
            await self.users.ensure_other_superuser(user)
        reloaded = await self.users.reload_unchanged(user, verified_hash)
        if verified_hash and not (reloaded and reloaded.is_active):
            raise CurrentPasswordError
        if reloaded is None:
            raise ConcurrentChangeError

    async def _apply(self, user: User, user_in: UserUpdate, new_hash: str | None) -> None:
        if new_hash:
            await self.change_password(user, new_hash)
            await self.emails.send_password_changed(user)
        for name, value in user_in.model_dump(exclude_unset=True, exclude=GUARDED_FIELDS).items():
            setattr(user, name, value)
        if user_in.email and user_in.email != user.email:
            await self.change_email(user, user_in.email)
        if isinstance(user_in, UserAdminUpdate):
            await self.users.set_privileges(
                user, is_active=user_in.is_active, is_superuser=user_in.is_superuser
            )
        await self.users.flush()


def _revokes_privileges(user_in: UserAdminUpdate) -> bool:
    return user_in.is_active is False or user_in.is_superuser is False


async def _send_requested_token(email: str, purpose: Purpose) -> None:
    """Send a token if a user has the email, after a delay against user enumeration by timing."""
    await asyncio.sleep(SystemRandom().uniform(*EMAIL_DELAY_SECONDS))
    async with transaction() as db:
        emails = EmailService(db)
        user = await UserService(db).get_by_email(email)
        if purpose == "verify" and user and user.is_verified:
            await emails.rate_limits.refund(RateLimit.EMAIL_PER_RECIPIENT.attempt(email))
        elif user and user.is_active:
            await emails.send_token(user, purpose)
    for job in emails.outbox:
        await job()
