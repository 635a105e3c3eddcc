"""Endpoints of users: registration, one's own account, and everyone's for superusers."""

from typing import Annotated, Any

from fastapi import Query

from app.api.openapi import problems
from app.api.pagination import PAGE_RESPONSES, Paging
from app.api.routing import CollectionRouter
from app.core.exceptions import (
    ConcurrentChangeError,
    CurrentPasswordError,
    EmailTakenError,
    GuessablePasswordError,
    LastSuperuserError,
    RateLimitedError,
    RegistrationClosedError,
    SuperuserRequiredError,
    UnverifiedUserError,
    UserNotFoundError,
)
from app.dependencies import Accounts, CurrentActor, CurrentUser, Users, VisibleUser, superuser_only
from app.models import User
from app.schemas.user import (
    UserAdminUpdate,
    UserCreate,
    UserDelete,
    UserFilters,
    UserRead,
    UserUpdate,
)

router = CollectionRouter(prefix="/users", tags=["users"])

UPDATE_ERRORS = (
    CurrentPasswordError,
    EmailTakenError,
    ConcurrentChangeError,
    GuessablePasswordError,
    RateLimitedError,
)
DELETE_ERRORS = (
    CurrentPasswordError,
    LastSuperuserError,
    ConcurrentChangeError,
    RateLimitedError,
)


@router.get(
    "/",
    response_model=list[UserRead],
    responses=PAGE_RESPONSES | problems(SuperuserRequiredError),
    dependencies=[superuser_only],
)
async def list_users(
    filters: Annotated[UserFilters, Query()], paging: Paging, users: Users
) -> list[Any]:
    """List users. Requires a superuser."""
    return paging.respond(await users.get_many(filters, paging.page))


@router.post(
    "/",
    response_model=UserRead,
    status_code=201,
    responses=problems(
        EmailTakenError, GuessablePasswordError, RegistrationClosedError, RateLimitedError
    ),
)
async def create_user(user_in: UserCreate, accounts: Accounts) -> User:
    """Register. A verification email is sent."""
    return await accounts.register(user_in)


@router.get("/me", response_model=UserRead)
async def get_me(me: CurrentUser) -> User:
    """Return your own account."""
    return me


@router.patch("/me", response_model=UserRead, responses=problems(*UPDATE_ERRORS))
async def update_me(
    me: CurrentUser, user_in: UserUpdate, accounts: Accounts, actor: CurrentActor
) -> User:
    """Update your own account. A new email or password requires the current password."""
    return await accounts.update(me, user_in, actor)


@router.delete("/me", status_code=204, responses=problems(*DELETE_ERRORS))
async def delete_me(
    me: CurrentUser, confirmation: UserDelete, accounts: Accounts, actor: CurrentActor
) -> None:
    """Delete your own account and everything that belongs to it. Requires the password."""
    await accounts.delete(me, confirmation.current_password, actor)


@router.get("/{user_id}", response_model=UserRead, responses=problems(UserNotFoundError))
async def get_user(user: VisibleUser) -> User:
    """Return a user: yourself or, for superusers, anyone."""
    return user


@router.patch(
    "/{user_id}",
    response_model=UserRead,
    responses=problems(
        UserNotFoundError,
        SuperuserRequiredError,
        LastSuperuserError,
        UnverifiedUserError,
        *UPDATE_ERRORS,
    ),
)
async def update_user(
    user: VisibleUser, user_in: UserAdminUpdate, accounts: Accounts, actor: CurrentActor
) -> User:
    """Update a user: yourself or, for superusers, anyone. Privileges require a superuser."""
    return await accounts.update(user, user_in, actor)


@router.delete(
    "/{user_id}",
    status_code=204,
    responses=problems(UserNotFoundError, SuperuserRequiredError, *DELETE_ERRORS),
)
async def delete_user(
    user: VisibleUser,
    accounts: Accounts,
    actor: CurrentActor,
    confirmation: UserDelete | None = None,
) -> None:
    """Delete a user and everything that belongs to it. Yourself: requires the password."""
    password = confirmation.current_password if confirmation else None
    await accounts.delete(user, password, actor)
