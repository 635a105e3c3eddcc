"""FastAPI dependencies: database session, client IP, current user and services."""

from typing import Annotated, Any, cast

from fastapi import BackgroundTasks, Depends, Form, Path, Request
from fastapi.requests import HTTPConnection
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import settings
from app.core import security_log
from app.core.background import spawn
from app.core.client import Client, printable
from app.core.client_ip import LOOPBACK, resolve_client_ip, warn_about_proxy
from app.core.exceptions import (
    InvalidTokenError,
    NotAuthenticatedError,
    SuperuserRequiredError,
    UserNotFoundError,
)
from app.core.security import TokenPayload, verify_access_token
from app.db.session import commit_and_release, get_db
from app.models import User
from app.schemas.auth import LoginForm, RefreshForm
from app.schemas.types import Id, RandomId
from app.services.account_service import AccountService, Actor
from app.services.auth_service import AuthService
from app.services.email_service import EmailService
from app.services.session_service import SessionService
from app.services.user_service import UserService

# Relative, so that clients find it behind a path prefix (`uvicorn --root-path`) as well.
AUTH_PATH = f"{settings.API_V1_PREFIX}/auth".removeprefix("/")


class AccessTokenScheme(OAuth2PasswordBearer):
    """FastAPI's own, for WebSockets as well, and with verification of the token."""

    async def __call__(self, request: HTTPConnection) -> Any:  # noqa: ANN401 - FastAPI's own returns text
        """Verify the access token of the only Authorization header (RFC 6750 §2).

        Returns:
            A `TokenPayload`.
        """
        token = await super().__call__(cast("Request", request))
        if token is None:
            raise NotAuthenticatedError
        if len(request.headers.getlist("Authorization")) > 1:
            raise InvalidTokenError
        return verify_access_token(token)


oauth2_scheme = AccessTokenScheme(
    tokenUrl=f"{AUTH_PATH}/login",
    refreshUrl=f"{AUTH_PATH}/refresh",
    scheme_name="OAuth2PasswordBearer",
    auto_error=False,
)

SessionId = Annotated[RandomId, Path()]
LoginFormBody = Annotated[LoginForm, Form()]
RefreshFormBody = Annotated[RefreshForm, Form()]


# scope="function": commit before the response is sent, so that a failure is an error response.
DbSession = Annotated[AsyncSession, Depends(get_db, scope="function")]
CurrentToken = Annotated[TokenPayload, Depends(oauth2_scheme)]


async def get_client_ip(connection: HTTPConnection) -> str:
    """Return the client IP (of IPv6, the /64 network), also behind `TRUSTED_PROXIES`."""
    peer = connection.scope.get("peer", LOOPBACK)
    forwarded = ",".join(connection.headers.getlist("X-Forwarded-For"))
    if forwarded and not settings.TRUSTED_PROXIES:
        warn_about_proxy()
    resolved = resolve_client_ip(peer, forwarded, settings.TRUSTED_PROXIES)
    security_log.client_ip.set(resolved)
    return resolved


ClientIP = Annotated[str, Depends(get_client_ip)]


async def get_client(connection: HTTPConnection, client_ip: ClientIP) -> Client:
    """Return client IP and user agent."""
    return Client(client_ip, printable(connection.headers.get("User-Agent", "")))


Caller = Annotated[Client, Depends(get_client)]


async def get_email_service(
    db: DbSession, background: BackgroundTasks, client_ip: ClientIP
) -> EmailService:
    """Return the email service. Its emails are sent after a successful response."""
    emails = EmailService(db, client_ip)
    background.add_task(spawn, emails.outbox)
    return emails


Emails = Annotated[EmailService, Depends(get_email_service)]


async def get_account_service(db: DbSession, emails: Emails, client_ip: ClientIP) -> AccountService:
    """Return the account service."""
    return AccountService(db, emails, client_ip)


async def get_auth_service(db: DbSession, client: Caller) -> AuthService:
    """Return the authentication service."""
    return AuthService(db, client)


async def get_session_service(db: DbSession, client: Caller) -> SessionService:
    """Return the session service."""
    return SessionService(db, client)


async def get_user_service(db: DbSession) -> UserService:
    """Return the user service."""
    return UserService(db)


Accounts = Annotated[AccountService, Depends(get_account_service)]
Auth = Annotated[AuthService, Depends(get_auth_service)]
Sessions = Annotated[SessionService, Depends(get_session_service)]
Users = Annotated[UserService, Depends(get_user_service)]


async def get_current_user(connection: HTTPConnection, db: DbSession, token: CurrentToken) -> User:
    """Return the active user who sent the request, or opened the WebSocket."""
    user = await SessionService(db).get_user(token)
    connection.state.user_id = user.id  # for the access log
    security_log.actor_id.set(user.id)
    if connection.scope["type"] == "websocket":
        await commit_and_release(db)  # it may stay open for hours
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


async def get_current_actor(user: CurrentUser, token: CurrentToken) -> Actor:
    """Return who sent the request, with the access token."""
    return Actor(user, token)


CurrentActor = Annotated[Actor, Depends(get_current_actor)]


async def get_optional_actor(connection: HTTPConnection, db: DbSession) -> Actor | None:
    """Return who sent the request, or None if it has no access token."""
    if "Authorization" not in connection.headers:
        return None
    token = await oauth2_scheme(connection)
    return Actor(await get_current_user(connection, db, token), token)


OptionalActor = Annotated[Actor | None, Depends(get_optional_actor)]


async def get_current_superuser(user: CurrentUser) -> User:
    """Return the superuser who sent the request."""
    if not user.is_superuser:
        raise SuperuserRequiredError
    return user


async def get_visible_user(user_id: Id, user: CurrentUser, users: Users) -> User:
    """Return the user of the path: oneself or, for superusers, anyone."""
    if user_id == user.id:
        return user
    if not user.is_superuser:
        raise UserNotFoundError
    return await users.get_by_id(user_id)


superuser_only = Depends(get_current_superuser)
SuperUser = Annotated[User, superuser_only]
VisibleUser = Annotated[User, Depends(get_visible_user)]
