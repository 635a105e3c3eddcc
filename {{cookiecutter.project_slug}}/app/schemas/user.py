"""Schemas of users."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from app.schemas.base import Filters, ReadSchema, WriteSchema
from app.schemas.types import Email, Password, Patch, SearchText, SingleLine

FullName = Annotated[str, SingleLine(100)]


class UserCreate(WriteSchema):
    """A registration."""

    email: Email
    full_name: FullName
    password: Password


CurrentPassword = Annotated[
    Patch[SecretStr],
    Field(
        description="Password of the caller: required to change an email or password, to make a "
        "superuser, and to delete one's own account"
    ),
]


class UserDelete(WriteSchema):
    """Confirmation that an account is deleted."""

    current_password: CurrentPassword = None


class UserUpdate(WriteSchema):
    """Changes of one's own account."""

    email: Patch[Email] = None
    full_name: Patch[FullName] = None
    password: Patch[Password] = None
    current_password: CurrentPassword = None


class UserAdminUpdate(UserUpdate):
    """Changes of any account, by a superuser."""

    is_active: Patch[bool] = None
    is_superuser: Patch[bool] = None


class UserFilters(Filters):
    """Filters and order of the list of users."""

    q: SearchText | None = Field(None, description="Text that the email or full name contains")
    is_active: bool | None = Field(None, description="Active or deactivated users only")
    is_superuser: bool | None = Field(None, description="Superusers or other users only")
    sort: Literal["id", "-id"] = Field("id", description="Order: oldest or newest first")


class UserRead(ReadSchema):
    """A user."""

    id: int
    email: str
    pending_email: str | None = Field(
        description="New email, which takes effect when it is verified"
    )
    full_name: str
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: datetime
    updated_at: datetime | None
