"""Accounts: registration, email verification, password reset and account changes."""

import asyncio
from functools import partial
from random import SystemRandom
from typing import NamedTuple

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
from app.core.security import TokenPayload
from app.core.security_log import SecurityEvent, log_security_event
from app.db.session import transaction
from app.models import User
from app.schemas.user import UserAdminUpdate, UserCreate, UserUpdate
from app.services.email_service import EmailService
from app.services.known_client_service import KnownClients
from app.services.rate_limit_service import RateLimit, RateLimiter
from app.services.security_events import record
from app.services.session_service import SessionService
from app.services.user_service import UserService, ensure_other_superuser

NO_PASSWORD = ""  # stored instead of a hash: no password is correct
EMAIL_DELAY_SECONDS = (0.5, 2.0)  # at least, at most
# Fields that only superusers set.
ADMIN_FIELDS = UserAdminUpdate.model_fields.keys() - UserUpdate.model_fields.keys()
# Fields that have rules of their own; all others are columns, set as they are.
GUARDED_FIELDS = {"email", "password", "current_password", "is_active", "is_superuser"}


class Actor(NamedTuple):
    """The user who requests a change, and the access token of the request."""

    user: User
    token: TokenPayload


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

    async def request_reset(self, email: str) -> None:
        """Request a password reset email: accepted for every email (user enumeration)."""
        if await self.emails.try_consume_per_ip():
            self.emails.outbox.append(partial(_send_reset, email))

    async def request_verification(self, user: User) -> None:
        """Send another verification email, if there is an email to verify."""
        if user.pending_email or not user.is_verified:
            await self.emails.send_verification(user)

    async def verify_email(
        self, token: str, password: SecretStr | None, caller: Actor | None
    ) -> User:
        """Mark the email as verified, which proves that the caller owns it.

        A pending email takes effect, which also requires a session or the password of the account:
        its owner may be a stranger.

        The first email may be that of a stranger as well, and the account be registered by somebody
        who waits for this (account pre-hijacking, Sudhodanan and Paverd 2022). Without session
        and password, both end, and the account is that of the owner of the email.
        """
        owner = await self.emails.get_user_by_token(token, "verify")
        session = caller.token if caller and caller.user.id == owner.id else None
        verified_hash = None
        if password and not session:
            verified_hash = await self._verify_password(owner, password, attempted_by=token)
        user, email, _ = await self.emails.redeem_token(token, "verify")
        if session:
            await self.sessions.get_user(session)  # it may have ended meanwhile
        is_registrant = session is not None or verified_hash == user.hashed_password
        if email == user.pending_email:
            if not is_registrant:
                raise CurrentPasswordError
            await self._change_email(user, email, session)
        elif not (user.is_verified or is_registrant):
            await self.change_password(user, NO_PASSWORD)
        user.is_verified = True
        record(self.db, SecurityEvent.EMAIL_VERIFIED, user.id, user.email)
        await self.emails.revoke_tokens(user, "verify")
        return user

    async def undo_email_change(self, token: str) -> None:
        """Give the email back to its former owner, or keep it.

        Sessions and password end: the person who requested the change had both.
        """
        user, email, expires_at = await self.emails.redeem_token(token, "undo")
        user.email, user.is_verified = email, True
        await self.users.flush()
        record(self.db, SecurityEvent.EMAIL_CHANGE_UNDONE, user.id, email)
        await self.change_password(user, NO_PASSWORD)
        await self.known_clients.forget(email)
        await self.emails.revoke_tokens(user, "verify")
        await self.emails.revoke_undo_tokens(user, since=expires_at)

    async def reset_password(self, token: str, new_password: SecretStr) -> None:
        """Reset the password with an email token.

        Only this client IP is known then, and the attempts that led here do not count any more.
        """
        owner = await self.emails.get_user_by_token(token, "reset")
        new_hash = await self.users.hash_new_password(new_password, owner.email, owner.full_name)
        user, _, _ = await self.emails.redeem_token(token, "reset")
        user.is_verified = True
        await self.change_password(user, new_hash)
        await self.emails.notify_of_password(user)
        await self.known_clients.forget(user.email)
        await self.known_clients.add(user.email, self.client_ip)
        await self.rate_limits.clear(
            RateLimit.LOGIN_PER_IP_AND_EMAIL.attempt(self.client_ip, user.email),
            RateLimit.LOGIN_PER_EMAIL.attempt(user.email),
        )

    async def update(self, user: User, user_in: UserUpdate, actor: Actor) -> User:
        """Update an account with the sent fields of a PATCH body, all or none.

        Verifying and hashing passwords come first, while no connection is held; then actor and
        user are locked and checked again, then all changes are applied in one transaction.
        """
        is_admin_change = bool(user_in.model_fields_set & ADMIN_FIELDS)
        if is_admin_change and not actor.user.is_superuser:
            raise SuperuserRequiredError
        email, full_name = user_in.email or user.email, user_in.full_name or user.full_name
        if user_in.password:
            reject_guessable(user_in.password, email, full_name)
        verified_hash = new_hash = None
        if _requires_password(user_in, user):
            verified_hash = await self._verify_password(
                actor.user, user_in.current_password, attempted_by=actor.token.sid
            )
        if email != user.email:
            await self.rate_limits.consume(RateLimit.EMAIL_CHANGE_PER_USER.attempt(user.id))
        if user_in.password and not _is_own_password(user_in, user, actor):
            new_hash = await self.users.hash_new_password(user_in.password, email, full_name)
        await self._lock(
            user,
            actor,
            verified_hash,
            requires_superuser=is_admin_change,
            removes_superuser=_revokes_privileges(user_in),
        )
        if verified_hash is None and _requires_password(user_in, user):
            raise CurrentPasswordError  # the user has changed meanwhile
        await self._apply(user, user_in, new_hash)
        return user

    async def delete(self, user: User, current_password: SecretStr | None, actor: Actor) -> None:
        """Delete a user and everything that belongs to it. One's own requires the password."""
        verified_hash = None
        if user.id == actor.user.id:
            verified_hash = await self._verify_password(
                user, current_password, attempted_by=actor.token.sid
            )
        await self._lock(user, actor, verified_hash, removes_superuser=True)
        await self.users.delete(user)

    async def take_over(self, user: User, new_hash: str, full_name: str) -> None:
        """Make somebody's account that of a superuser, as the owner of its email requires.

        The person who registered it has no access any more.
        """
        user.full_name, user.is_verified = full_name, True
        await self.change_password(user, new_hash)
        await self.emails.revoke_tokens(user, "verify", "undo")
        await self.known_clients.forget(user.email)
        await self.users.set_privileges(user, is_active=True, is_superuser=True)

    async def change_password(self, user: User, new_hash: str) -> None:
        """Change the password: all sessions and reset tokens end, and no email is pending.

        A person who knew the old password may have entered it.
        """
        user.hashed_password, user.pending_email = new_hash, None
        await self.db.flush()
        record(self.db, SecurityEvent.PASSWORD_CHANGED, user.id)
        await self.sessions.end_all(user)
        await self.emails.revoke_tokens(user, "reset")

    async def request_email_change(self, user: User, new_email: str) -> None:
        """Let the new email take effect when it is verified. The old one can undo it."""
        await self.users.ensure_email_is_free(new_email, user)
        user.pending_email = new_email
        record(self.db, SecurityEvent.EMAIL_CHANGE_REQUESTED, user.id, new_email)
        await self.emails.notify_of_new_email(user)
        await self.emails.send_verification(user)

    async def _change_email(self, user: User, email: str, session: TokenPayload | None) -> None:
        """Let the pending email take effect: all sessions but this one end."""
        await self.users.ensure_email_is_free(email, user)
        await self.emails.notify_of_new_email(user)  # the old one, which can undo it from now on
        user.email, user.pending_email = email, None
        await self.users.flush()
        record(self.db, SecurityEvent.EMAIL_CHANGED, user.id, email)
        await self.emails.revoke_tokens(user, "reset")
        await self.sessions.end_all(user, except_id=session.sid if session else "")

    async def _verify_password(
        self, user: User, password: SecretStr | None, *, attempted_by: str
    ) -> str:
        """Require the password of a user, so that a stolen session cannot take over an account.

        Wrong ones are counted per session, or email token: a stolen one does not lock the others.

        Returns:
            The hash that was compared with; it may be outdated after the comparison.
        """
        check_queue()  # before the attempt is counted
        attempt = RateLimit.PASSWORD_CONFIRMATION_PER_SESSION.attempt(attempted_by)
        await self.rate_limits.consume(attempt)
        hashed, given = user.hashed_password, password.get_secret_value() if password else ""
        if not (await verify_password(given, hashed)).is_correct:
            log_security_event(SecurityEvent.PASSWORD_CONFIRMATION_FAILED, target_id=user.id)
            raise CurrentPasswordError
        await self.rate_limits.refund(attempt)
        return hashed

    async def _lock(
        self,
        user: User,
        actor: Actor,
        verified_hash: str | None,
        *,
        requires_superuser: bool = False,
        removes_superuser: bool = False,
    ) -> None:
        """Lock actor and user and read them again: what was true may have ended meanwhile."""
        found = await self.users.lock(user, actor.user, superusers=removes_superuser)
        await self.sessions.get_user(actor.token)
        if verified_hash not in {None, actor.user.hashed_password}:
            raise CurrentPasswordError
        if user.id not in found:
            raise ConcurrentChangeError
        if (requires_superuser or user.id != actor.user.id) and not actor.user.is_superuser:
            raise SuperuserRequiredError
        if removes_superuser:
            ensure_other_superuser(user, found)

    async def _apply(self, user: User, user_in: UserUpdate, new_hash: str | None) -> None:
        if new_hash:
            await self.change_password(user, new_hash)
            await self.emails.notify_of_password(user)
        for name, value in user_in.model_dump(exclude_unset=True, exclude=GUARDED_FIELDS).items():
            setattr(user, name, value)
        if user_in.email == user.email:
            user.pending_email = None
        elif user_in.email:
            await self.request_email_change(user, user_in.email)
        if isinstance(user_in, UserAdminUpdate):
            await self.users.set_privileges(
                user, is_active=user_in.is_active, is_superuser=user_in.is_superuser
            )
        await self.users.flush()


def _requires_password(user_in: UserUpdate, user: User) -> bool:
    """Return whether it is what a stolen session must not do."""
    is_new_email = user_in.email not in {None, user.email}
    is_promotion = getattr(user_in, "is_superuser", None) and not user.is_superuser
    return bool(user_in.password or is_new_email or is_promotion)


def _revokes_privileges(user_in: UserUpdate) -> bool:
    return getattr(user_in, "is_active", None) is False or (
        getattr(user_in, "is_superuser", None) is False
    )


def _is_own_password(user_in: UserUpdate, user: User, actor: Actor) -> bool:
    """Return whether the new password is the current one, which was verified."""
    return user.id == actor.user.id and user_in.password == user_in.current_password


async def _send_reset(email: str) -> None:
    """Send a reset email if a user has the email, after a delay against enumeration by timing."""
    await asyncio.sleep(SystemRandom().uniform(*EMAIL_DELAY_SECONDS))
    async with transaction() as db:
        emails = EmailService(db)
        user = await UserService(db).get_by_email(email)
        if user and user.is_active and await emails.try_consume_per_recipient(email):
            await emails.send_token(user, "reset", email)
    for job in emails.outbox:
        await job()
