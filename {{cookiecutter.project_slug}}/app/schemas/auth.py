"""Logins, sessions and links by mail, as clients see and send them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from app.schemas.base import Email, Password, ReadSchema, WriteSchema

MailedToken = Annotated[str, Field(max_length=100, description="The token in the link")]


class TokenRead(BaseModel):
    """The tokens of a session (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = Field(description="Life of the access token, seconds")
    refresh_token: str = Field(description="Good once, for the next pair")


class RefreshForm(BaseModel):
    """A request for the next pair of tokens (RFC 6749 §6). Clients may add what we do not use."""

    grant_type: Literal["refresh_token"]
    refresh_token: SecretStr


class SessionRead(ReadSchema):
    """A login that is still good."""

    id: str
    created_at: datetime
    updated_at: datetime | None = Field(description="When its tokens were last renewed")
    expires_at: datetime


class Forgot(WriteSchema):
    """A request for a link to choose a new password."""

    email: Email


class Reset(WriteSchema):
    """A new password, with the token of the link."""

    token: MailedToken
    new_password: Password


class Verify(WriteSchema):
    """The token of the link that proves an address."""

    token: MailedToken
