"""Users, as clients see and send them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr

from app.schemas.base import Email, Line, Password, Patch, ReadSchema, WriteSchema

FullName = Annotated[Line, Field(max_length=100)]


class UserCreate(WriteSchema):
    """A registration."""

    email: Email
    full_name: FullName
    password: Password


class UserUpdate(WriteSchema):
    """What users may change about themselves."""

    email: Patch[Email] = None
    full_name: Patch[FullName] = None
    password: Patch[Password] = None
    current_password: Patch[SecretStr] = Field(
        None, description="Needed for a new email or password of one's own"
    )


class UserAdminUpdate(UserUpdate):
    """What superusers may change about anyone."""

    is_active: Patch[bool] = None
    is_superuser: Patch[bool] = None


class UserRead(ReadSchema):
    """A user."""

    id: int
    email: str
    full_name: str
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: datetime
    updated_at: datetime | None
