"""What endpoints ask for, by name. The one place where FastAPI meets the services."""

from typing import Annotated

from fastapi import BackgroundTasks, Depends, Form, Path, Request
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core.background import start
from app.core.exceptions import InvalidTokenError, SuperuserRequiredError, UserNotFoundError
from app.core.network import LOOPBACK, client_address
from app.core.security import TokenPayload, read_access_token
from app.db.session import READ_ONLY, get_db
from app.models import User
from app.schemas.auth import RefreshForm
from app.schemas.base import LARGEST_ID
from app.services.auth_service import AuthService
from app.services.item_service import ItemService
from app.services.mail_service import MailService
from app.services.session_service import SessionService
from app.services.user_service import UserService

AUTH = f"{settings.API_V1_PREFIX}/auth"
oauth2_scheme = OAuth2PasswordBearer(tokenUrl=f"{AUTH}/login", refreshUrl=f"{AUTH}/refresh")

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]
LoginForm = Annotated[OAuth2PasswordRequestForm, Depends()]
TokenForm = Annotated[RefreshForm, Form()]


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


async def get_address(request: Request) -> str:
    """Return where the request comes from, as far as it can be believed."""
    peer, port = request.client or (LOOPBACK, 0)
    forwarded = ",".join(request.headers.getlist("X-Forwarded-For"))
    return client_address(peer, port, forwarded, settings.TRUSTED_PROXIES)


Address = Annotated[str, Depends(get_address)]


async def get_mail_service(db: DbSession, background: BackgroundTasks) -> MailService:
    """Return the mails of this request; they leave after the response, if it is a good one."""
    return MailService(db, later=lambda *job: background.add_task(start, *job))


Mails = Annotated[MailService, Depends(get_mail_service)]


async def get_session_service(db: DbSession) -> SessionService:
    """Return the sessions of this request."""
    return SessionService(db)


async def get_auth_service(db: DbSession, mails: Mails, address: Address) -> AuthService:
    """Return the logins of this request."""
    return AuthService(db, mails, address)


async def get_user_service(db: DbSession, mails: Mails) -> UserService:
    """Return the users of this request."""
    return UserService(db, mails)


Sessions = Annotated[SessionService, Depends(get_session_service)]
Auth = Annotated[AuthService, Depends(get_auth_service)]
Users = Annotated[UserService, Depends(get_user_service)]


async def get_token(
    request: Request, token: Annotated[str, Depends(oauth2_scheme)]
) -> TokenPayload:
    """Return what the bearer token of the one Authorization header says (RFC 6750 §2)."""
    if len(request.headers.getlist("Authorization")) > 1:
        raise InvalidTokenError
    return read_access_token(token)


CurrentToken = Annotated[TokenPayload, Depends(get_token)]


async def get_current_user(request: Request, token: CurrentToken, sessions: Sessions) -> User:
    """Return the active user who sent the request."""
    user = await sessions.get_user(token)
    request.state.user_id = user.id  # for the logs
    return user


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
