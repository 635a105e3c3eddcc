"""Users and their privileges."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import (
    EmailTakenError,
    LastSuperuserError,
    UnverifiedUserError,
    UserNotFoundError,
)
from app.core.password_policy import reject_guessable
from app.core.passwords import hash_password
from app.core.security_log import SecurityEvent
from app.db.base import columns, utc_now
from app.db.errors import translate_duplicate
from app.db.pagination import Page, PageRequest, paginate
from app.db.session import commit_and_release
from app.models import EmailToken, User
from app.schemas.user import UserCreate, UserFilters
from app.services.known_client_service import KnownClients
from app.services.security_events import record
from app.services.session_service import SessionService

USER_OF_EMAIL = select(User).where(User.email == bindparam("email"))
ROWS = select(*columns(User))  # rows instead of objects, for lists
# The condition of each filter in `UserFilters`.
CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "q": lambda text: or_(
        User.email.icontains(text, autoescape=True), User.full_name.icontains(text, autoescape=True)
    ),
    "is_active": User.is_active.is_,
    "is_superuser": User.is_superuser.is_,
}


class UserService:
    """Users: create, read, set privileges, delete."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db
        self.sessions = SessionService(db)

    async def get_by_id(self, user_id: int) -> User:
        """Return the user with this id."""
        user = await self.db.get(User, user_id)
        if user is None:
            raise UserNotFoundError
        return user

    async def get_by_email(self, email: str) -> User | None:
        """Return the user with this normalized email."""
        return await self.db.scalar(USER_OF_EMAIL, {"email": email})

    async def get_many(self, filters: UserFilters, page: PageRequest) -> Page[Row[Any]]:
        """Return a page of the users that the filters select."""
        where = filters.conditions(CONDITIONS)
        return await paginate(self.db, ROWS, page, filters.sort, where=where)

    async def create(
        self, user_in: UserCreate, *, is_superuser: bool = False, is_verified: bool = False
    ) -> User:
        """Create a user. Commits pending changes first, because the password is hashed."""
        user = User(**user_in.model_dump(exclude={"password"}))
        user.is_superuser, user.is_verified = is_superuser, is_verified
        user.hashed_password = await self.hash_new_password(
            user_in.password, user.email, user.full_name
        )
        await self.ensure_email_is_free(user.email)
        self.db.add(user)
        await self.flush()
        record(self.db, SecurityEvent.ACCOUNT_REGISTERED, user.id, user.email)
        return user

    async def hash_new_password(self, password: SecretStr, email: str, full_name: str) -> str:
        """Hash a new password. Commits first, so that no connection is held meanwhile.

        Raises:
            GuessablePasswordError: if it contains what is known about its owner.
        """
        reject_guessable(password, email, full_name)
        await commit_and_release(self.db)
        return await hash_password(password.get_secret_value())

    async def ensure_email_is_free(self, email: str, user: User | None = None) -> None:
        """Reject an email that another user has, or had and can still get back.

        Raises:
            EmailTakenError: if there is such a user.
        """
        owners = select(User.id).where(User.email == email)
        can_undo = and_(EmailToken.purpose == "undo", EmailToken.expires_at > utc_now())
        former = select(EmailToken.user_id).where(EmailToken.email == email, can_undo)
        found = await self.db.scalars(union(owners, former))
        if set(found) - {user and user.id}:
            raise EmailTakenError

    async def set_privileges(
        self, user: User, *, is_active: bool | None = None, is_superuser: bool | None = None
    ) -> None:
        """Grant or revoke privileges, if not `None`. Deactivation ends all sessions and tokens.

        Raises:
            UnverifiedUserError: if somebody else may own the email of a new superuser.
        """
        if is_superuser and not user.is_verified:
            raise UnverifiedUserError
        if is_superuser is not None and is_superuser != user.is_superuser:
            user.is_superuser = is_superuser
            record(self.db, SecurityEvent.PRIVILEGES_CHANGED, user.id)
            if is_superuser:
                await self._delete_tokens(user, "undo")  # a former email gets no privileges
        if is_active and not user.is_active:
            record(self.db, SecurityEvent.ACCOUNT_ACTIVATED, user.id)
        if is_active is not None:
            user.is_active = is_active
        await self.flush()
        if is_active is False:
            record(self.db, SecurityEvent.ACCOUNT_DEACTIVATED, user.id)
            await self.sessions.end_all(user)
            await self._delete_tokens(user, "verify", "reset")

    async def lock(self, *users: User, superusers: bool = False) -> Mapping[int, User]:
        """Lock users, and read them again; with active superusers, so that removals take turns.

        Every caller locks in the order of ids: no two requests wait for each other.

        Returns:
            Those that still exist, by id.
        """
        named = User.id.in_({user.id for user in users})
        wanted = or_(named, and_(User.is_superuser, User.is_active)) if superusers else named
        locked = select(User).where(wanted).order_by(User.id).with_for_update()
        found = await self.db.scalars(locked.execution_options(populate_existing=True))
        return {user.id: user for user in found}

    async def revoke(self, user: User, **privileges: bool) -> None:
        """Revoke privileges of a user, unless it is the last superuser."""
        ensure_other_superuser(user, await self.lock(user, superusers=True))
        await self.set_privileges(user, **privileges)

    async def delete(self, user: User) -> None:
        """Delete a user and everything that belongs to it, unless it is the last superuser."""
        ensure_other_superuser(user, await self.lock(user, superusers=True))
        await self.db.delete(user)
        await self.db.flush()
        await KnownClients(self.db).forget(user.email)
        record(self.db, SecurityEvent.ACCOUNT_DELETED, user.id, user.email)

    async def _delete_tokens(self, user: User, *purposes: str) -> None:
        own = and_(EmailToken.user_id == user.id, EmailToken.purpose.in_(purposes))
        await self.db.execute(delete(EmailToken).where(own))

    async def flush(self) -> None:
        """Write pending changes.

        Raises:
            EmailTakenError: if another user has the email.
        """
        with translate_duplicate(EmailTakenError, "users", "email"):
            await self.db.flush()


def ensure_other_superuser(user: User, locked: Mapping[int, User]) -> None:
    """Protect the last superuser.

    Raises:
        LastSuperuserError: if the user is the only active one of those that are locked.
    """
    active = [other.id for other in locked.values() if other.is_superuser and other.is_active]
    if active == [user.id]:
        raise LastSuperuserError
