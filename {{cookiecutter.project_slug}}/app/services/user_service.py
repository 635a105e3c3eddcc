"""The rules about users."""

from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from app.config import settings
from app.core.exceptions import (
    CurrentPasswordError,
    EmailTakenError,
    GuessablePasswordError,
    LastSuperuserError,
    RegistrationClosedError,
    SuperuserRequiredError,
    UserNotFoundError,
)
from app.core.passwords import check_queue, contains_any, hash_password, verify_password
from app.db.pagination import page_of
from app.models import User
from app.schemas.base import PageParams
from app.schemas.user import UserCreate, UserUpdate
from app.services.mail_service import MailService
from app.services.session_service import SessionService
from app.services.throttle_service import ThrottleService

RIGHTS = {"is_active", "is_superuser"}  # not for their holders to give
LOGIN = {"email", "password"}  # whoever changes them could keep the owner out


class UserService:
    """Users, as one request sees them."""

    def __init__(self, db: AsyncSession, mails: MailService) -> None:
        self.db = db
        self.mails = mails
        self.sessions = SessionService(db)
        self.throttle = ThrottleService(db)

    async def get_by_id(self, user_id: int) -> User:
        """Return the user with this id."""
        user = await self.db.get(User, user_id)
        if user is None:
            raise UserNotFoundError
        return user

    async def get_by_email(self, email: str) -> User | None:
        """Return the user with this email, spelled as it is stored."""
        return await self.db.scalar(select(User).where(User.email == email))

    async def get_many(self, page: PageParams) -> list[User]:
        """Return a page of users, oldest first, and one user more if there is a next page."""
        users = page_of(select(User), User.id, **page.model_dump())
        return list(await self.db.scalars(users))

    async def lock(self, user: User, hashed_password: str | None) -> User | None:
        """Read a user again after a hash took its time, unless the password has changed since."""
        same = select(User).where(User.id == user.id, User.hashed_password == hashed_password)
        again = same.with_for_update().execution_options(populate_existing=True)
        return await self.db.scalar(again)

    async def register(self, user_in: UserCreate, address: str) -> User:
        """Let somebody register, and ask for a proof of the email."""
        if not settings.REGISTRATION_OPEN:
            raise RegistrationClosedError
        await self.throttle.hit({f"register:{address}": settings.REGISTRATION_LIMIT})
        user = await self.create(user_in)
        if not await self.throttle.count(_mails_to(user.email), settings.MAIL_LIMIT_PER_ACCOUNT):
            await self.mails.send_link(user, "verify")  # or later, when the user asks for it
        return user

    async def create(self, user_in: UserCreate, **rights: bool) -> User:
        """Add a user."""
        user = User(email=user_in.email, full_name=user_in.full_name, **rights)
        user.hashed_password = await self.hash(user_in.password, user.email, user.full_name)
        self.db.add(user)
        await self._flush()
        return user

    async def update(self, user: User, user_in: UserUpdate, *, by: User) -> User:
        """Change the fields that were sent, and only those."""
        changes = user_in.model_dump(exclude_unset=True)
        current, new = changes.pop("current_password", None), changes.pop("password", None)
        email, full_name = (changes.get(f, getattr(user, f)) for f in ("email", "full_name"))
        if changes.keys() & RIGHTS and not by.is_superuser:
            raise SuperuserRequiredError
        seen = user.hashed_password
        confirmed = by.id == user.id and (new is not None or "email" in changes)
        if new:
            _refuse_guessable(new, email, full_name)  # before the try is counted
        if confirmed:
            await self._limit_mail(user, email)
            await self._confirm(user, current)
        hashed = await self.hash(new, email, full_name) if new else None
        if RIGHTS & {name for name, value in changes.items() if value is False}:
            await self._keep_a_superuser(user)
        if confirmed:
            await self._take_up(user, seen)
        if hashed:
            await self.set_password(user, hashed)
        await self._apply(user, changes)
        return user

    async def hash(self, password: SecretStr, email: str, full_name: str) -> str:
        """Return the hash of a password that is not made of what is known about its owner."""
        _refuse_guessable(password, email, full_name)
        await self.db.commit()  # lend no connection to the hashing
        return await hash_password(password.get_secret_value())

    async def set_password(self, user: User, hashed_password: str) -> None:
        """Give a user another password, which ends every session and link."""
        user.hashed_password = hashed_password
        await self.db.flush()
        await self.sessions.end_all(user)
        await self.mails.revoke(user, "reset")
        self.mails.tell_of_new_password(user)

    async def deactivate(self, user: User) -> None:
        """Lock a user out, from now on and everywhere."""
        await self._keep_a_superuser(user)
        await self._apply(user, {"is_active": False})

    async def delete(self, user: User) -> None:
        """Delete a user, and with the user all that is theirs."""
        await self._keep_a_superuser(user)
        await self.db.delete(user)
        await self.db.flush()

    async def _apply(self, user: User, changes: dict[str, Any]) -> None:
        old_email = user.email
        for name, value in changes.items():
            setattr(user, name, value)
        if user.email != old_email:
            user.is_verified = False
            flag_modified(user, "is_verified")  # whatever another request has just made of it
        await self._flush()
        if not user.is_active:
            await self.sessions.end_all(user)
        if user.email != old_email:
            self.mails.tell_of_new_email(old_email)
            await self.mails.send_link(user, "verify")

    async def _limit_mail(self, user: User, email: str) -> None:
        """Let nobody send our mail to strangers by changing address again and again."""
        if email != user.email:
            limit = settings.MAIL_LIMIT_PER_ACCOUNT
            await self.throttle.hit({f"mail:user:{user.id}": limit, _mails_to(email): limit})

    async def _confirm(self, user: User, password: SecretStr | None) -> None:
        """Let nobody change how to log in who merely found a session open."""
        check_queue()  # before the try is counted
        await self.throttle.hit({f"confirm:{user.id}": settings.LOGIN_LIMIT_PER_CLIENT})
        given = password.get_secret_value() if password else ""
        if not (await verify_password(given, user.hashed_password)).right:
            raise CurrentPasswordError

    async def _take_up(self, user: User, seen: str) -> None:
        """Go on after the hashing, unless the password that was confirmed has changed since."""
        if not await self.lock(user, seen) or not user.is_active:
            raise CurrentPasswordError
        await self.throttle.forgive(f"confirm:{user.id}")

    async def _keep_a_superuser(self, user: User) -> None:
        """Refuse to lose the last superuser. The lock makes two who resign at once take turns."""
        active = select(User.id).where(User.is_superuser, User.is_active).order_by(User.id)
        if list(await self.db.scalars(active.with_for_update())) == [user.id]:
            raise LastSuperuserError

    async def _flush(self) -> None:
        try:
            await self.db.flush()
        except IntegrityError as error:  # the unique index decides: a look beforehand could race
            raise EmailTakenError from error


def _mails_to(email: str) -> str:
    return f"mail:address:{email}"


def _refuse_guessable(password: SecretStr, email: str, full_name: str) -> None:
    names = [full_name, *full_name.split(), settings.PROJECT_NAME]
    if contains_any(password.get_secret_value(), email, email.split("@", maxsplit=1)[0], *names):
        raise GuessablePasswordError
