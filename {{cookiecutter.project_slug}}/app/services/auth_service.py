"""The rules about proving who one is."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from random import SystemRandom

from pydantic import SecretStr, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.exceptions import InactiveUserError, InvalidCredentialsError
from app.core.passwords import check_queue, verify_password
from app.db.session import get_db
from app.models import User
from app.schemas.auth import TokenRead
from app.schemas.base import Email
from app.services.mail_service import Job, MailService, Purpose
from app.services.session_service import SessionService
from app.services.throttle_service import ThrottleService
from app.services.user_service import UserService

DELAY = (0.5, 2.0)  # seconds, at least and at most
FAMILIAR = timedelta(days=90)  # how long an address where a login succeeded is told from strangers
_email = TypeAdapter[str](Email)


class AuthService:
    """Logins and links, as one request from one address asks for them."""

    def __init__(self, db: AsyncSession, mails: MailService, address: str) -> None:
        self.db = db
        self.mails = mails
        self.address = address
        self.throttle = ThrottleService(db)
        self.users = UserService(db, mails)

    async def log_in(self, username: str, password: str) -> TokenRead:
        """Return the first tokens of a new session."""
        email = _canonical(username)
        check_queue()  # before the try is counted
        tries = await self._count_tries(email)
        user = await self._check(await self.users.get_by_email(email), password)
        if not user.is_active:
            raise InactiveUserError
        await self.throttle.forgive(*tries)
        tokens = await SessionService(self.db).open(user.id)
        await self.throttle.remember(self._familiar(email), FAMILIAR)
        return tokens

    async def request_link(self, email: str, purpose: Purpose) -> None:
        """Send a link to whoever has the address; nobody learns here whether anyone does."""
        limits = {
            f"mail from:{self.address}": settings.MAIL_LIMIT_PER_ADDRESS,
            f"mail:{purpose}:{email}": settings.MAIL_LIMIT_PER_ACCOUNT,
        }
        await self.throttle.hit(limits)
        self.mails.later(_send_link, email, purpose)

    async def verify(self, token: str) -> None:
        """Note that the address belongs to the user."""
        user = await self.mails.redeem(token, "verify")
        user.is_verified = True

    async def reset(self, token: str, new_password: SecretStr) -> None:
        """Give the user a new password."""
        owner = await self.mails.find_owner(token, "reset")
        hashed = await self.users.hash(new_password, owner.email, owner.full_name)
        user = await self.mails.redeem(token, "reset")
        user.is_verified = True
        await self.users.set_password(user, hashed)
        await self.throttle.remember(self._familiar(user.email), FAMILIAR)  # no stranger

    async def _check(self, user: User | None, password: str) -> User:
        """Return the user if the password is right, which takes as long for nobody's."""
        await self.db.commit()  # lend no connection to the hashing
        hashed = user.hashed_password if user else None
        right, new_hash = await verify_password(password, hashed)
        if user is None or not right:
            raise InvalidCredentialsError
        if not await self.users.lock(user, hashed):
            raise InvalidCredentialsError
        user.hashed_password = new_hash or user.hashed_password
        return user

    async def _count_tries(self, email: str) -> list[str]:
        """Count a try for everything that has a limit, and return what was counted."""
        limits = {
            f"login:{email}|{self.address}": settings.LOGIN_LIMIT_PER_CLIENT,
            f"login from:{self.address}": settings.LOGIN_LIMIT_PER_ADDRESS,
        }
        if not await self.throttle.remembers(self._familiar(email)):
            limits[f"login:{email}"] = settings.LOGIN_LIMIT_PER_ACCOUNT
        await self.throttle.hit(limits)
        return list(limits)

    def _familiar(self, email: str) -> str:
        return f"familiar:{email}|{self.address}"


async def _send_link(email: str, purpose: Purpose) -> None:
    """Send a link, a while later: the next answer must not tell if there was anything to do."""
    await asyncio.sleep(SystemRandom().uniform(*DELAY))
    jobs: list[Job] = []
    async with asynccontextmanager(get_db)() as db:
        mails = MailService(db, lambda *job: jobs.append(job))
        user = await UserService(db, mails).get_by_email(email)
        if user and user.is_active and not (purpose == "verify" and user.is_verified):
            await mails.send_link(user, purpose)
    for function, *arguments in jobs:
        await function(*arguments)


def _canonical(username: str) -> str:
    """Return the address as it would be stored; what is no address is nobody's."""
    try:
        return _email.validate_python(username)
    except ValidationError:
        return ""
