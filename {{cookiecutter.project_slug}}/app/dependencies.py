"""What endpoints ask for, by name. The one place where FastAPI meets the services."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.exceptions import InvalidTokenError, SuperuserRequiredError, UserNotFoundError
from app.db.session import READ_ONLY, get_db
from app.models import User
from app.schemas.base import LARGEST_ID, PageParams
from app.services.auth_service import AuthService
from app.services.item_service import ItemService
from app.services.user_service import UserService

oauth2_scheme = OAuth2PasswordBearer(tokenUrl=f"{settings.API_V1_PREFIX}/auth/login")

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
PageQuery = Annotated[PageParams, Query()]
LoginForm = Annotated[OAuth2PasswordRequestForm, Depends()]


async def get_session(
    request: Request,
    # "function": commit before the response leaves, so that a 201 is never a lie.
    db: Annotated[AsyncSession, Depends(get_db, scope="function")],
) -> AsyncSession:
    """Return the session of the request, in a transaction that fits its method."""
    if request.method in {"GET", "HEAD"}:
        await db.connection(execution_options=READ_ONLY)
    return db


DbSession = Annotated[AsyncSession, Depends(get_session)]


async def get_auth_service(db: DbSession) -> AuthService:
    """Return the logins of this request."""
    return AuthService(db)


async def get_user_service(db: DbSession) -> UserService:
    """Return the users of this request."""
    return UserService(db)


Auth = Annotated[AuthService, Depends(get_auth_service)]
Users = Annotated[UserService, Depends(get_user_service)]


async def get_token(request: Request, token: Annotated[str, Depends(oauth2_scheme)]) -> str:
    """Return the bearer token of the one Authorization header (RFC 6750 §2)."""
    if len(request.headers.getlist("Authorization")) > 1:
        raise InvalidTokenError
    return token


async def get_current_user(token: Annotated[str, Depends(get_token)], auth: Auth) -> User:
    """Return the active user who sent the request."""
    return await auth.get_user(token)


CurrentUser = Annotated[User, Depends(get_current_user)]


async def get_current_superuser(user: CurrentUser) -> User:
    """Return the superuser who sent the request."""
    if not user.is_superuser:
        raise SuperuserRequiredError
    return user


async def get_visible_user(user_id: Id, user: CurrentUser, users: Users) -> User:
    """Return the user that the path names: oneself or, for superusers, anyone."""
    if user_id == user.id:
        return user
    if not user.is_superuser:
        raise UserNotFoundError
    return await users.get_by_id(user_id)


async def get_item_service(db: DbSession, user: CurrentUser) -> ItemService:
    """Return the items of the user: to ask for them is to have logged in."""
    return ItemService(db, user)


superuser_only = Depends(get_current_superuser)
SuperUser = Annotated[User, superuser_only]
VisibleUser = Annotated[User, Depends(get_visible_user)]
Items = Annotated[ItemService, Depends(get_item_service)]
