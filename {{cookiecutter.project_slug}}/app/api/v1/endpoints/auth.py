"""Logging in."""

from fastapi import APIRouter

from app.api.documentation import problems
from app.core.exceptions import InactiveUserError, InvalidCredentialsError
from app.dependencies import Auth, LoginForm
from app.schemas.auth import TokenRead

router = APIRouter(prefix="/auth", tags=["authentication"])


@router.post("/login", responses=problems(InvalidCredentialsError, InactiveUserError))
async def login(form: LoginForm, auth: Auth) -> TokenRead:
    """Exchange email and password for an access token."""
    return await auth.log_in(form.username, form.password)
