"""Schemas of authentication: login, tokens, sessions, verification and password reset."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from app.schemas.base import ReadSchema, WriteSchema
from app.schemas.types import Email, Password

EmailTokenField = Annotated[str, Field(max_length=100, description="Token from the email")]


class LoginForm(BaseModel):
    """OAuth2 password form (RFC 6749 §4.3.2). Other parameters, such as scope, are ignored."""

    username: str = Field(description="Email of the user")
    password: SecretStr
    grant_type: Literal["password"] | None = None


class RefreshForm(BaseModel):
    """Form of a token refresh (RFC 6749 §6). Other parameters, such as client_id, are ignored."""

    grant_type: Literal["refresh_token"]
    refresh_token: SecretStr


class TokenPair(BaseModel):
    """Access token and refresh token of a session (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = Field(description="Lifetime of the access token in seconds")
    refresh_token: str = Field(description="Single-use token for the next pair")


class SessionRead(ReadSchema):
    """A session of the user."""

    id: str
    created_at: datetime
    last_used_at: datetime = Field(description="Time of the login, or of the last token refresh")
    expires_at: datetime
    client_ip: str = Field(description="Client IP of the last use; of IPv6, the /64 network")
    user_agent: str = Field(description="User-Agent header of the last use")
    is_current: bool = Field(default=False, description="Whether it is that of this request")


class ForgotPasswordRequest(WriteSchema):
    """Request for a password reset email."""

    email: Email


class ResetPasswordRequest(WriteSchema):
    """A new password, with the token from the email."""

    token: EmailTokenField
    new_password: Password


class VerifyEmailRequest(WriteSchema):
    """The token from the verification email, with the password unless there is a session."""

    token: EmailTokenField
    current_password: SecretStr | None = Field(
        None, description="Password of the account, if the request has no access token of it"
    )


class UndoEmailChangeRequest(WriteSchema):
    """The token from the notice of a new email."""

    token: EmailTokenField


class VerifiedEmail(BaseModel):
    """A verified email."""

    has_password: bool = Field(
        description="Whether the account still has its password: if not, reset it"
    )
