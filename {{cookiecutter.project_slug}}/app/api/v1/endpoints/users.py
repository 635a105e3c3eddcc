"""Users: registration, one's own account, and everyone's for superusers."""

from app.api.documentation import problems
from app.api.paging import LINKED, Paging
from app.api.routing import CollectionRouter
from app.core.exceptions import (
    CurrentPasswordError,
    EmailTakenError,
    GuessablePasswordError,
    LastSuperuserError,
    RaceError,
    RegistrationClosedError,
    SuperuserRequiredError,
    TooManyTriesError,
    UserNotFoundError,
)
from app.dependencies import Address, CurrentUser, Users, VisibleUser, superuser_only
from app.models import User
from app.schemas.user import UserAdminUpdate, UserCreate, UserRead, UserUpdate

router = CollectionRouter(prefix="/users", tags=["users"])

UPDATE_FAILURES = (
    CurrentPasswordError,
    EmailTakenError,
    GuessablePasswordError,
    RaceError,
    TooManyTriesError,
)


@router.get(
    "/",
    response_model=list[UserRead],
    responses=LINKED | problems(SuperuserRequiredError),
    dependencies=[superuser_only],
)
async def list_users(paging: Paging, users: Users) -> list[User]:
    """List users, oldest first. For superusers."""
    return paging.cut(await users.get_many(paging.page))


@router.post(
    "/",
    response_model=UserRead,
    status_code=201,
    responses=problems(
        EmailTakenError, GuessablePasswordError, RegistrationClosedError, TooManyTriesError
    ),
)
async def create_user(user_in: UserCreate, users: Users, address: Address) -> User:
    """Register. A link that proves the address is sent to it."""
    return await users.register(user_in, address)


@router.get("/me", response_model=UserRead)
async def get_me(me: CurrentUser) -> User:
    """Return your own account."""
    return me


@router.patch("/me", response_model=UserRead, responses=problems(*UPDATE_FAILURES))
async def update_me(me: CurrentUser, user_in: UserUpdate, users: Users) -> User:
    """Update your own account. A new email or password needs the current password."""
    return await users.update(me, user_in, by=me)


@router.delete("/me", status_code=204, responses=problems(LastSuperuserError, RaceError))
async def delete_me(me: CurrentUser, users: Users) -> None:
    """Delete your own account, and all that is yours."""
    await users.delete(me)


@router.get("/{user_id}", response_model=UserRead, responses=problems(UserNotFoundError))
async def get_user(user: VisibleUser) -> User:
    """Return a user: yourself or, for superusers, anyone."""
    return user


@router.patch(
    "/{user_id}",
    response_model=UserRead,
    responses=problems(
        UserNotFoundError, SuperuserRequiredError, LastSuperuserError, *UPDATE_FAILURES
    ),
)
async def update_user(
    user: VisibleUser, user_in: UserAdminUpdate, users: Users, me: CurrentUser
) -> User:
    """Update a user: yourself or, for superusers, anyone. Rights are for superusers to give."""
    return await users.update(user, user_in, by=me)


@router.delete(
    "/{user_id}",
    status_code=204,
    responses=problems(UserNotFoundError, LastSuperuserError, RaceError),
)
async def delete_user(user: VisibleUser, users: Users) -> None:
    """Delete a user, and all that is theirs."""
    await users.delete(user)
