"""The rules about users."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import EmailTakenError, SuperuserRequiredError, UserNotFoundError
from app.core.passwords import hash_password
from app.db.pagination import get_page
from app.models import User
from app.schemas.base import PageParams
from app.schemas.user import UserCreate, UserUpdate

RIGHTS = {"is_active", "is_superuser"}  # not for their holders to give


class UserService:
    """Users, as one request sees them."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

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
        """Return one page of users, oldest first."""
        return await get_page(self.db, select(User).order_by(User.id), **page.model_dump())

    async def create(self, user_in: UserCreate, *, is_superuser: bool = False) -> User:
        """Register somebody."""
        user = User(
            email=user_in.email,
            full_name=user_in.full_name,
            hashed_password=await hash_password(user_in.password.get_secret_value()),
            is_superuser=is_superuser,
        )
        self.db.add(user)
        await self._flush()
        return user

    async def update(self, user: User, user_in: UserUpdate, *, by: User) -> User:
        """Change the fields that were sent, and only those."""
        changes = user_in.model_dump(exclude_unset=True)
        if changes.keys() & RIGHTS and not by.is_superuser:
            raise SuperuserRequiredError
        if password := changes.pop("password", None):
            changes["hashed_password"] = await hash_password(password.get_secret_value())
        for name, value in changes.items():
            setattr(user, name, value)
        await self._flush()
        return user

    async def delete(self, user: User) -> None:
        """Delete a user, and with the user all that is theirs."""
        await self.db.delete(user)
        await self.db.flush()

    async def _flush(self) -> None:
        try:
            await self.db.flush()
        except IntegrityError as error:  # the unique index decides: a look beforehand could race
            raise EmailTakenError from error
